//! Texts as statements.

use inkgrad_kernels::emulator::parse::*;

#[test]
fn text_becomes_statements() {
    let text = ".version 7.0\n.entry k(.param .u64 x) /* two\nlines */ {\n{ .reg .f32 %f<2>;\nloop: @!%p ld.global.v2.f32 {%f0, %f1}, [%rd + 8]; // load; twice\n} ret; }";
    let blank = blank_comments(text);
    assert_eq!(blank.len(), text.len());
    let found = statements(&blank).unwrap();
    let lines: Vec<usize> = found.iter().map(|statement| statement.line).collect();
    assert_eq!(lines, [1, 2, 4, 4, 5, 5, 6, 6, 6]);
    assert_eq!(found[1].kind, Kind::Open(".entry k(.param .u64 x)"));
    assert_eq!(found[4].kind, Kind::Label("loop"));
    let Kind::Instruction(load) = &found[5].kind else { panic!("{found:?}") };
    assert_eq!(load.guard, Some(("%p", true)));
    assert_eq!((load.opcode, &load.operands[..]), ("ld.global.v2.f32", &["{%f0, %f1}", "[%rd + 8]"][..]));
    assert_eq!(&text[found[5].span.clone()], "@!%p ld.global.v2.f32 {%f0, %f1}, [%rd + 8];");
}

#[test]
fn what_does_not_end_is_named_with_its_line() {
    assert_eq!(statements(".entry k() {\nret\n}").unwrap_err().0, 2);
    assert_eq!(statements(".entry k() {\n}\nmov").unwrap_err().0, 3);
}

#[test]
fn what_is_no_ascii_is_taken_whole() {
    for (text, quoted) in [("é;", "é"), (".entry k() { mové ü, 1; é }", "é")] {
        let found = statements(text);
        assert!(found.is_ok() || found.unwrap_err().1.contains(quoted), "{text}");
    }
    let found = statements("é : ü{ß};").unwrap();
    assert_eq!(found[0].kind, Kind::Instruction(Instruction { guard: None, opcode: "é", operands: vec![": ü{ß}"] }));
    assert_eq!(blank_comments("a /*é*/ b /*/ c").len(), "a /*é*/ b /*/ c".len());
    assert_eq!(blank_comments("/*/ c */d"), "        d");
}

#[test]
fn long_texts_take_no_long_time() {
    let of = |part: &str| part.repeat((1 << 20) / part.len());
    let texts = [
        of(" "),
        of("\n"),
        of("a"),
        of("a "),
        of("{"),
        of("{}"),
        of("x{}"),
        of(":"),
        of("a:"),
        of("a\n"),
        of(".version "),
    ];
    for text in texts {
        let begun = std::time::Instant::now();
        let _ = statements(&text);
        assert!(begun.elapsed().as_secs() < 5, "{}…", &text[..8]);
    }
}

#[test]
fn messages_quote_the_beginning() {
    let long = format!("found `{}`, expected a `{}`", "é\n".repeat(100_000), "`".repeat(100_000));
    let short = brief(&long);
    assert!(short.starts_with("found `é é é") && short.contains("…`, expected a `"), "{short}");
    assert!(short.chars().count() <= MESSAGE + 1 && !short.contains('\n'));
    assert_eq!(brief("found `x`, expected `y`"), "found `x`, expected `y`");
}
