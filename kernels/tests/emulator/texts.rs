//! Texts that are no PTX: refused in one line, without a panic, a hang or all memory.

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use inkgrad_kernels::emulator::Emulator;
use inkgrad_kernels::emulator::mutate::mutants;
use inkgrad_kernels::launch::{Device, Error};
use inkgrad_kernels::ptx;

/// Loads a text. A refusal is one line of moderate length.
fn load(text: &str) -> Result<(), String> {
    match Emulator::new(0).load_module("a.ptx", text) {
        Ok(()) => Ok(()),
        Err(error @ Error::Module { .. }) => {
            let told = error.to_string();
            assert!(told.chars().count() < 500 && !told.contains(char::is_control), "{told}");
            Err(told)
        }
        Err(other) => panic!("{other}"),
    }
}

/// A text as the only statement of a kernel.
fn within(statement: &str) -> Result<(), String> {
    load(&format!(
        ".visible .entry k(.param .u64 p)\n{{ .reg .b32 %r<4>; .reg .b64 %d; .reg .pred %p;\n{statement}\n}}"
    ))
}

#[test]
fn what_was_reported_is_refused() {
    for (text, told) in [
        ("é;", "found `é`, which is not emulated"),
        (&format!("mov.u32 %r0, {}1;", "(".repeat(100_000)), "more than 64 brackets"),
        (&format!("mov.u32 %r0, {}1;", "-".repeat(100_000)), "more than 64 brackets"),
        (&format!("add.u32 %r0, %r1, {};", "x".repeat(400_000)), "…`, expected a number"),
        (&"x".repeat(400_000), "…`, expected it to end with `;`"),
        (&format!("mov.u32 %r0, {} ;", " ".repeat(400_000)), "found ``, expected a number"),
    ] {
        let refused = within(text).unwrap_err();
        assert!(refused.starts_with("a.ptx:3: ") && refused.contains(told), "{refused}");
    }
}

#[test]
fn what_asks_for_all_memory_is_refused() {
    for (statement, told) in [
        (".shared .b8 x[0x7fffffffffffffff][16];", "elements at most"),
        (".shared .b8 x[-1];", "elements at most"),
        (".shared .align 0x40000000 .b8 x[4];", "expected a number"),
        (".shared .align 1073741824 .b8 x[4];", "expected a variable"),
        (".const .b8 x[1048576];", "bytes of constants, expected 65536 at most"),
        (&(0..20).map(|i| format!(".reg .f32 %a{i}_<4096>;")).collect::<String>(), "more than 65536 registers"),
        (&(0..2000).map(|i| format!(".shared .b8 x{i}[1];")).collect::<String>(), "more than 1024 variables"),
        (&"{".repeat(100_000), "more than 64 blocks"),
    ] {
        let refused = within(statement).unwrap_err();
        assert!(refused.contains(told), "{refused}");
    }
    let entries: String = (0..2000).map(|i| format!(".entry k{i}() {{ ret; }}\n")).collect();
    assert!(load(&entries).unwrap_err().contains("more than 1024 entry points"));
}

#[test]
fn what_would_be_ignored_is_refused() {
    for (text, told) in [
        (".entry k() garbage { ret; }", "found `garbage`"),
        (".entry k() .maxntid 1, 2, 3, 4 { ret; }", "up to three numbers"),
        (".entry k() .maxntid 4294967295, 4294967295, 4294967295 { ret; }", "numbers up to 65535"),
        (
            ".entry k() { ret; }\n.entry j() { ret; }\n.entry k() { ret; }",
            "a.ptx:3: found the entry point `k` a second time",
        ),
        (".entry () { ret; }", "expected an entry point's name"),
        (".entry k() { .entry j() { ret; } }", "within an entry point"),
        (".entry k() { .shared .b8 x[4]y; ret; }", "expected a variable"),
        (".entry k() { cp.async.wait_group -1; ret; }", "expected a number from 0 on"),
    ] {
        let refused = load(text).unwrap_err();
        assert!(refused.contains(told), "{refused}");
    }
    for statement in [
        "fma.rn.sat.f32 %f, %f, %f, %f;",
        "cvt.rzi.sat.u32.f32 %r0, %f;",
        "add.volatile.u32 %r0, %r1, %r2;",
        "fence.proxy.async;",
        "bar.red.popc.u32 %r0, 0, %p;",
        "cp.async.ca.global.shared [%r0], [%d], 4;",
        "mul.lo.hi.sat.s32 %r0, %r1, %r2;",
    ] {
        let refused = within(&format!(".reg .f32 %f; {statement}")).unwrap_err();
        assert!(refused.contains("which is not emulated"), "{refused}");
    }
    assert!(within("ret 1;").unwrap_err().contains("found 1 operands of `ret`, expected 0"));
    assert!(within("bar.sync 0, 32, 1;").unwrap_err().contains("found 3 operands of `bar.sync`, expected 1 to 2"));
}

/// Pieces of which texts are made that come near to PTX.
const PIECES: [&str; 40] = [
    "{",
    "}",
    "[",
    "]",
    "(",
    ")",
    ";",
    ",",
    ":",
    "::",
    ".",
    "%",
    "@",
    "!",
    "-",
    "~",
    "+",
    "*",
    "/",
    "//",
    "/*",
    "*/",
    "<",
    ">",
    "=",
    "\"",
    "'",
    "`",
    "é",
    "\u{1F980}",
    "\0",
    "\n",
    "\t",
    " ",
    "0",
    "0x",
    "0f7F800000",
    "99999999999999999999",
    ".entry k(",
    "%r0",
];

/// One change of a text: which, where, how long, and with what.
type Edit = (u8, usize, usize, usize);

fn edit(text: &mut String, (kind, at, length, piece): Edit) {
    let place = |at: usize| (0..=at % (text.len() + 1)).rev().find(|&i| text.is_char_boundary(i)).unwrap_or(0);
    let start = place(at);
    let end = place(at.saturating_add(length % 200)).max(start);
    match kind % 5 {
        0 => text.replace_range(start..end, ""),
        1 => text.insert_str(start, PIECES[piece % PIECES.len()]),
        2 => text.insert_str(start, &PIECES[piece % PIECES.len()].repeat(length % 5000)),
        3 => {
            let copied = text[start..end].to_owned();
            text.insert_str(place(piece), &copied);
        }
        _ => text.replace_range(start..end, PIECES[piece % PIECES.len()]),
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 3000,
        rng_seed: RngSeed::Fixed(11),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn changed_kernels_load_or_are_refused(
        module in any::<usize>(),
        edits in prop::collection::vec(any::<Edit>(), 1..6),
    ) {
        let (_, source) = ptx::all().nth(module % ptx::all().count()).expect("a module");
        let mut text = (*source).to_owned();
        edits.into_iter().for_each(|change| edit(&mut text, change));
        let _ = load(&text);
        let beginning: String = text.chars().take(4000).collect();
        for entry in ["k", "gemm", "adam"] {
            let _ = mutants(&beginning, entry);
        }
    }

    #[test]
    fn random_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let text = String::from_utf8_lossy(&bytes);
        let _ = load(&text);
        let _ = within(&text);
    }

    #[test]
    fn pieces_of_ptx_load_or_are_refused(pieces in prop::collection::vec(any::<prop::sample::Index>(), 0..60)) {
        let text: String = pieces.iter().map(|index| PIECES[index.index(PIECES.len())]).collect();
        let _ = load(&text);
        let _ = within(&text);
    }
}
