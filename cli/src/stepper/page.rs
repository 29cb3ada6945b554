//! The file: a template whose marks are filled with the source, the steps, and the scripts that show them.

use inkgrad_kernels::emulator::LineCount;
use inkgrad_kernels::emulator::watch::{Instruction, Listing, Memory};
use inkgrad_kernels::launch::{Fault, Launch};
use maud::{Markup, html};
use serde_json::{Value, json};

use super::record::Recorded;
use crate::output::thousands;
use crate::page::{self, BASE_CSS, ELEMENT_JS, capitalised};

/// A page's words about itself, by which an earlier one is known.
pub const MADE_BY: &str = "made by inkgrad emulate";

/// Everything that a page shows.
pub struct Page<'a> {
    /// The file that the kernel stands in.
    pub file: &'a str,
    /// The kernel's formula.
    pub about: &'a str,
    /// The launch.
    pub launch: &'a Launch,
    /// Its size, and what that counts.
    pub n: (usize, &'a str),
    /// The order of warps and blocks.
    pub seed: u64,
    /// The block that is shown, its warp, and the lane to begin with.
    pub shown: (u64, u32, u32),
    /// The kernel.
    pub listing: &'a Listing,
    /// Where buffers begin, their bytes, and their parameters.
    pub buffers: &'a [(u64, u64, String)],
    /// The warp's steps.
    pub recorded: &'a Recorded,
    /// How often lines were executed by all warps.
    pub profile: &'a [LineCount],
    /// The fault that ended the launch.
    pub fault: Option<&'a Fault>,
    /// How much all warps did, in words, with its number.
    pub counts: &'a [(u64, &'static str)],
}

impl Page<'_> {
    /// The page as text.
    pub fn render(&self) -> String {
        let title = format!("{}, step by step", self.launch.entry);
        let marks = [
            ("title", html! { (title) }.into_string()),
            ("made-by", MADE_BY.to_owned()),
            ("head", self.head().into_string()),
            ("source", self.source().into_string()),
            ("style", format!("{BASE_CSS}{}", include_str!("page.css"))),
            ("element", ELEMENT_JS.to_owned()),
            ("trace", include_str!("trace.js").to_owned()),
            ("memory", include_str!("memory.js").to_owned()),
            ("tables", include_str!("tables.js").to_owned()),
            ("page", include_str!("page.js").to_owned()),
            ("data", page::json(&self.data())),
        ];
        page::page(include_str!("page.html"), &marks)
    }

    /// The kernel, its launch, and what went wrong.
    fn head(&self) -> Markup {
        let Page { file, about, launch, n: (n, size), seed, shown: (block, warp, _), recorded, fault, counts, .. } =
            self;
        let extent = |extent: &[u32; 3]| extent.map(|n| n.to_string()).join(" × ");
        let more = match (recorded.cut, recorded.skipped) {
            (false, 0) => String::new(),
            (false, skipped) => format!(" The first {} steps are left out.", thousands(skipped as u64)),
            (true, 0) => format!(" The page ends after {} steps; the warp goes on.", recorded.steps.len()),
            (true, skipped) => format!(
                " The first {} steps are left out, and the page ends after {} more; the warp goes on.",
                thousands(skipped as u64),
                recorded.steps.len()
            ),
        };
        html! {
            h1 { code { (launch.entry) } ", step by step" }
            p { (capitalised(about)) ". The kernel stands in " bdi { (file) } "; it runs here for n = " (n) " (" (size) "), in "
                (extent(&launch.grid)) " blocks of " (extent(&launch.block)) " threads, in the order of seed " (seed) "." }
            p { "Shown is warp " (warp) " of block " (block) ": 32 lanes, which execute an instruction together." (more) }
            @if let Some(fault) = fault {
                p.note.fault role="alert" {
                    b { (fault.check.name()) ", line " (fault.line) ": " }
                    "warp " (fault.warp) ", lane " (fault.lane) " " (fault.problem) ". "
                    @for (verb, warp, line) in self.earlier() {
                        "Warp " (warp) " " (verb) " that in line " (line) ". "
                    }
                }
            }
            details {
                summary { "What all warps did" }
                dl.counts { @for (count, what) in *counts { div { dt { (what) } dd { (thousands(*count)) } } } }
            }
        }
    }

    /// The accesses that a race is with: verb, warp and line.
    fn earlier(&self) -> Vec<(&'static str, u32, usize)> {
        let finding = self.recorded.finding.iter().flat_map(|finding| &finding.earlier);
        finding.map(|&(wrote, touch)| (if wrote { "wrote" } else { "read" }, touch.warp, touch.line)).collect()
    }

    /// The lines of the kernel, from its comment to its end.
    fn range(&self) -> std::ops::Range<usize> {
        let lines = &self.listing.lines;
        let name = format!(".entry {}", self.launch.entry);
        let entry = lines.iter().position(|line| {
            line.split_once(&name).is_some_and(|(_, rest)| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
        });
        let entry = entry.unwrap_or(0);
        let comments = lines[..entry].iter().rev().take_while(|line| line.starts_with("//")).count();
        let close = lines[entry..].iter().position(|line| line.starts_with('}'));
        entry - comments..close.map_or(lines.len(), |close| entry + close + 1)
    }

    /// The text, each line with how many times warps executed it.
    fn source(&self) -> Markup {
        let marked: Vec<usize> = self.earlier().into_iter().map(|(_, _, line)| line).collect();
        let counts = |line: usize| self.profile.iter().find(|count| count.line == line && count.warps > 0);
        html! {
            @for at in self.range() {
                @let (line, text) = (at + 1, self.listing.lines[at].as_str());
                @let (code, comment) = text.find("//").map_or((text, ""), |at| text.split_at(at));
                @let faulty = self.fault.is_some_and(|fault| fault.line == line);
                li data-line=(line) class=[(faulty || marked.contains(&line)).then_some(if faulty { "faulty" } else { "with" })] {
                    span.number { (line) }
                    span.count title="executed by so many warps" {
                        @if let Some(count) = counts(line) { (thousands(count.warps)) }
                    }
                    // The space is what parts the two where the text is read without its layout.
                    @let role = if code.trim().is_empty() { Some("remark") } else { code.trim_end().ends_with(':').then_some("label") };
                    code class=[role] {
                        span.instruction { (code.trim_end()) " " }
                        @if !comment.is_empty() { span.comment { (comment) } }
                    }
                }
            }
        }
    }

    fn data(&self) -> Value {
        let Page { launch, shown: (block, warp, lane), listing, buffers, recorded, fault, .. } = self;
        let words = listing.shared.iter().map(|variable| (variable.offset + variable.bytes).div_ceil(4)).max();
        let registers: Vec<(&str, &str)> = listing.registers.iter().map(|r| (r.name.as_str(), r.ty)).collect();
        let instructions: Vec<Value> = listing.instructions.iter().map(instruction).collect();
        let variables: Vec<Value> =
            listing.shared.iter().map(|v| json!({"name": v.name, "offset": v.offset, "bytes": v.bytes})).collect();
        let threads: u32 = launch.block.iter().product();
        json!({
            "block": block, "warp": warp, "lane": lane, "threads": threads,
            "registers": registers, "instructions": instructions, "buffers": buffers,
            "shared": {"words": words.unwrap_or(0), "variables": variables},
            "recorded": recorded,
            "fault": fault.map(|fault| json!({
                "line": fault.line, "lane": fault.lane, "warp": fault.warp, "check": fault.check.name(), "text": fault.problem,
            })),
        })
    }
}

/// Line, registers read and written, accesses (memory, whether it writes, base, offset, bytes), whether threads wait.
fn instruction(instruction: &Instruction) -> Value {
    let accesses: Vec<Value> = instruction
        .accesses
        .iter()
        .map(|access| {
            let memory = if access.memory == Memory::Shared { "shared" } else { "global" };
            json!([memory, access.writes, access.base, access.offset, access.bytes])
        })
        .collect();
    json!([instruction.line, instruction.reads, instruction.writes, accesses, instruction.barrier])
}
