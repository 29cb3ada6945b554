//! The page of an operation, the comment that its file begins with, leads to its kernels and to its comparison with PyTorch:
//!
//! ```text
//! //! - CPU: `kernels/src/cpu/norm.rs`
//! //! - GPU: `kernels/ptx/layout.ptx`; `ln`: none, no kernel has logarithms
//! //! - PyTorch: `pow` in `ops.json`; `scale` in `graphs.json`; `correct`: none, PyTorch has no such operation
//! ```
//!
//! Every name is held: the files exist, the operation uses them (its launches, for PTX), the fixtures have the cases.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use inkgrad_engine::device::plan::DevicePlan;
use inkgrad_engine::device::state::State;
use inkgrad_engine::device::{self as engine, Precision};
use inkgrad_engine::gradcheck::on_device::Recorded;
use inkgrad_engine::ops::{Case, Draw, OPS, Spec};
use inkgrad_engine::optim::{Optimizer, Rule};
use inkgrad_engine::{Compile, Params, Tape, Tensor};
use inkgrad_kernels::launch::Device;
use inkgrad_kernels::ptx;
use serde_json::Value;

use crate::cases::{conv_of_sixteens, conv_transpose_of_sixteens, gru_of_cluster, lstm_of_cluster};
use crate::operations::{PROCESSOR_ALONE, older};

/// The launches that the loss of [`Recorded`] adds to an operation's own.
const LOSS: [&str; 3] = ["elementwise.ptx", "reduce.ptx", "layout.ptx"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A page's three lines, and the operations of its file.
struct Page {
    file: String,
    text: String,
    specs: Vec<&'static Spec>,
}

impl Page {
    /// The pages of all operations.
    fn all() -> Vec<Page> {
        let mut files: Vec<PathBuf> = fs::read_dir(root().join("engine/src/ops"))
            .expect("engine/src/ops")
            .map(|entry| entry.expect("an entry of engine/src/ops").path())
            .collect();
        files.sort();
        let pages = files.iter().map(|path| {
            let (text, stem) = (fs::read_to_string(path).unwrap(), path.file_stem().unwrap().to_str().unwrap());
            // As a spec names it, or as `unary!` does; the file's own name where neither is a literal.
            let named = |spec: &&Spec| {
                let name = spec.name;
                text.contains(&format!("name: \"{name}\""))
                    || text.contains(&format!("::{name}, \"y ="))
                    || (stem == name && text.contains("name: NAME"))
            };
            Page { file: format!("{stem}.rs"), specs: OPS.iter().filter(named).collect(), text }
        });
        pages.filter(|page| !page.specs.is_empty()).collect()
    }

    /// The words behind `- KEY: `, its lines joined and cut at semicolons.
    fn line(&self, key: &str) -> Result<Vec<String>, String> {
        let comment: Vec<&str> = self.text.lines().map_while(|line| line.strip_prefix("//!")).map(str::trim).collect();
        let start = format!("- {key}: ");
        let first = comment.iter().position(|line| line.starts_with(&start));
        let first = first.ok_or_else(|| format!("{}: no line `//! {start}…`", self.file))?;
        let rest = comment[first + 1..].iter().take_while(|line| !line.is_empty() && !line.starts_with("- "));
        let line: Vec<&str> = [&comment[first][start.len()..]].into_iter().chain(rest.copied()).collect();
        Ok(line.join(" ").split("; ").map(str::to_owned).collect())
    }

    /// The operations that a line's parts say `none` of, and its other parts.
    fn apart(&self, parts: Vec<String>) -> (BTreeSet<String>, Vec<String>) {
        let (none, some): (Vec<String>, Vec<String>) =
            parts.into_iter().partition(|part| part.starts_with("none, ") || part.contains(": none, "));
        let mut without = BTreeSet::new();
        for part in &none {
            match part.split_once(": none, ") {
                Some((names, _)) => without.extend(quoted(names).map(str::to_owned)),
                None => without.extend(self.specs.iter().map(|spec| spec.name.to_owned())),
            }
        }
        (without, some)
    }

    fn check_cpu(&self) -> Result<(), String> {
        let line = self.line("CPU")?.join("; ");
        let paths: Vec<&str> = quoted(&line).collect();
        if paths.is_empty() && line != "the loops below" {
            return Err(format!("{}: CPU: {line}, expected files or `the loops below`", self.file));
        }
        let code: Vec<&str> = self.text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        let code = code.join("\n");
        for path in paths {
            let stem = path.strip_suffix("/mod.rs").or(path.strip_suffix(".rs")).unwrap_or(path);
            let module = stem.rsplit('/').next().expect("a name");
            if !root().join(path).is_file() {
                return Err(format!("{}: no such file: {path}", self.file));
            }
            if !code.contains(&format!("{module}::")) {
                return Err(format!("{}: does not use {path}", self.file));
            }
        }
        Ok(())
    }

    fn check_gpu(&self, devices: &mut [Box<dyn Device>]) -> Result<(), String> {
        let (without, some) = self.apart(self.line("GPU")?);
        let named: BTreeSet<&str> = some.iter().flat_map(|part| quoted(part)).collect();
        let (mut own, mut all) = (BTreeSet::new(), BTreeSet::new());
        for spec in &self.specs {
            if PROCESSOR_ALONE.contains(&spec.name) != without.contains(spec.name) {
                return Err(format!("{}: says otherwise than PROCESSOR_ALONE of `{}`", self.file, spec.name));
            }
            if !without.contains(spec.name) {
                let drawn = (0..6).map(|seed| (spec.draw)(&mut Draw::small(seed)));
                for case in drawn.chain(of_size(spec.name)) {
                    for device in &mut *devices {
                        let (forward, both) = launched(&case, &mut **device);
                        own.extend(forward.into_iter().chain(both.iter().copied().filter(|file| !LOSS.contains(file))));
                        all.extend(both);
                    }
                }
            }
        }
        let paths = |files: &BTreeSet<&str>| files.iter().map(|file| format!("kernels/ptx/{file}")).collect();
        let (own, all): (BTreeSet<String>, BTreeSet<String>) = (paths(&own), paths(&all));
        let missing: Vec<&String> = own.iter().filter(|path| !named.contains(path.as_str())).collect();
        let unused: Vec<&&str> = named.iter().filter(|path| !all.contains(**path)).collect();
        match missing.is_empty() && unused.is_empty() {
            true => Ok(()),
            false => Err(format!("{}: GPU: launches {missing:?} too, and does not launch {unused:?}", self.file)),
        }
    }

    fn check_pytorch(&self) -> Result<(), String> {
        let (without, some) = self.apart(self.line("PyTorch")?);
        let mut named = without;
        for part in &some {
            let (names, file) = part
                .rsplit_once(" in `")
                .ok_or_else(|| format!("{}: PyTorch: {part}, expected cases in a file, or none", self.file))?;
            let file = file.trim_end_matches('`');
            let path = root().join("tests/fixtures").join(file);
            let text = fs::read_to_string(&path).map_err(|_| format!("{}: no such file: {file}", self.file))?;
            let cases = cases(&serde_json::from_str(&text).expect("JSON"));
            for name in quoted(names) {
                if !cases.contains(name) {
                    return Err(format!("{}: {file} has no case of `{name}`", self.file));
                }
                named.insert(name.to_owned());
            }
        }
        let left_out = self.specs.iter().find(|spec| self.specs.len() > 1 && !named.contains(spec.name));
        match left_out {
            Some(spec) => Err(format!("{}: says nothing of PyTorch for `{}`", self.file, spec.name)),
            None if named.is_empty() => Err(format!("{}: names no case", self.file)),
            None => Ok(()),
        }
    }
}

/// The words in backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The operations that a fixture has cases of, anywhere in it.
fn cases(value: &Value) -> BTreeSet<String> {
    match value {
        Value::Object(fields) => {
            let own = fields.get("op").and_then(Value::as_str).map(str::to_owned);
            own.into_iter().chain(fields.values().flat_map(cases)).collect()
        }
        Value::Array(values) => values.iter().flat_map(cases).collect(),
        _ => BTreeSet::new(),
    }
}

/// A case of a size that kernels of their own are for: a recurrent layer with so many units that clusters of blocks share its weights, a
/// convolution of so many channels that tensor cores can sum them. Small cases are drawn with fewer.
fn of_size(name: &str) -> Option<Case> {
    match name {
        "conv2d" => Some(conv_of_sixteens()),
        "conv_transpose2d" => Some(conv_transpose_of_sixteens()),
        "lstm" => Some(lstm_of_cluster()),
        "gru" => Some(gru_of_cluster()),
        _ => None,
    }
}

/// The newest GPU that there are kernels for and the oldest, whichever the other tests run on: launches are listed here, and none is
/// run.
fn newest_and_oldest() -> [Box<dyn Device>; 2] {
    let newest = engine::Kind::Emulated.open(Precision::Fp32).unwrap().expect("a device beside the processor");
    [newest, Box::new(older())]
}

/// The files of the kernels that a case's forward launches; with those of its backward and its loss.
fn launched(case: &Case, device: &mut dyn Device) -> (BTreeSet<&'static str>, BTreeSet<&'static str>) {
    let mut compiled = |params: &Params<f32>, tape: Tape<f32>, options: Compile<'_>| -> BTreeSet<&'static str> {
        let state = State::new(device, params, &Optimizer::new(Rule::Adam, None, params.count())).unwrap();
        let plan = DevicePlan::new(tape, options, params, &state, device).unwrap();
        let files = plan.forward.iter().chain(&plan.backward).map(|launch| file(launch.entry)).collect();
        plan.free(device).and_then(|()| state.free(device)).unwrap();
        files
    };
    let mut tape = Tape::new();
    let inputs: Vec<Tensor> = case.inputs.iter().map(|x| tape.input("x", x.shape)).collect();
    let y = (case.f32)(&mut tape, &inputs).unwrap();
    let own = compiled(&Params::new(), tape, Compile { keep: &[y], ..Compile::default() });
    let Recorded { params, tape, y, loss, .. } = Recorded::new(case, &case.f32, 0xff).unwrap();
    (own, compiled(&params, tape, Compile { loss: Some(loss), keep: &[y], ..Compile::default() }))
}

/// The file of an entry point.
fn file(entry: &str) -> &'static str {
    ptx::of_entry(entry).unwrap_or_else(|| panic!("no file has the entry point {entry}")).0
}

#[test]
#[ignore = "slow"]
fn every_operation_s_page_leads_to_its_kernels_and_its_parity_case() {
    let pages = Page::all();
    let covered: usize = pages.iter().map(|page| page.specs.len()).sum();
    assert_eq!(covered, OPS.len(), "operations whose file was not found, or found twice");
    let mut devices = newest_and_oldest();
    let mut checks = |page: &Page| [page.check_cpu(), page.check_gpu(&mut devices), page.check_pytorch()];
    let faults: Vec<String> = pages.iter().flat_map(|page| checks(page).map(Result::err)).flatten().collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn faults_of_pages_are_found() {
    let spec = OPS.iter().find(|spec| spec.name == "mul").expect("an operation");
    let page = |lines: &str| Page { file: "mul.rs".to_owned(), text: lines.to_owned(), specs: vec![spec] };
    let mut devices = newest_and_oldest();
    let good = "//! y.\n//!\n//! - CPU: the loops below\n//! - GPU: `kernels/ptx/elementwise.ptx`,\n//!   `kernels/ptx/layout.ptx`\n\
                //! - PyTorch: `mul` in\n//!   `ops.json`\n";
    let good = page(good);
    assert_eq!((good.check_cpu(), good.check_gpu(&mut devices), good.check_pytorch()), (Ok(()), Ok(()), Ok(())));
    let bad = page(
        "//! - CPU: `kernels/src/cpu/gone.rs`\n//! - GPU: `kernels/ptx/gru.ptx`\n//! - PyTorch: `gone` in `ops.json`\n",
    );
    assert!(bad.check_cpu().unwrap_err().contains("no such file"));
    let found = bad.check_gpu(&mut devices).unwrap_err();
    assert!(
        found.contains("elementwise.ptx\"") && found.contains("does not launch [\"kernels/ptx/gru.ptx\"]"),
        "{found}"
    );
    assert!(bad.check_pytorch().unwrap_err().contains("no case of `gone`"));
    let none = page("//! - GPU: none, no kernel multiplies\n").check_gpu(&mut devices).unwrap_err();
    assert!(none.contains("PROCESSOR_ALONE"), "{none}");
    assert!(page("//! y.\n").check_cpu().unwrap_err().contains("no line"));
}
