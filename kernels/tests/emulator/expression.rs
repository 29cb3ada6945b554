//! Constant expressions.

use inkgrad_kernels::emulator::expression::*;

#[test]
fn depth_is_bounded() {
    let none = |_: &str| None;
    for text in [format!("{}1", "(".repeat(100_000)), format!("{}1", "-".repeat(100_000)), "(~".repeat(50_000)] {
        assert!(evaluate(&text, &none).unwrap_err().contains("more than 64"), "{}", &text[..9]);
    }
    let deep = |n: usize| evaluate(&format!("{}7{}", "(".repeat(n), ")".repeat(n)), &none);
    assert_eq!(deep(DEEPEST), Ok(7));
    assert!(deep(DEEPEST + 1).is_err());
    // Beside each other there may be as many as one likes.
    assert_eq!(evaluate("(1)+".repeat(1000).trim_end_matches('+'), &none), Ok(1000));
}

#[test]
fn constants_are_computed() {
    let symbol = |name: &str| (name == "tile").then_some(1024);
    for (text, value) in
        [("1 + 2*3", 7), ("(1+2)*3", 9), ("0x10|1<<2", 20), ("-4", -4), ("tile + 4*(8-1)", 1052), ("7/2%2", 1)]
    {
        assert_eq!(evaluate(text, &symbol), Ok(value), "{text}");
    }
    assert!(evaluate("1/0", &symbol).is_err());
    assert!(evaluate("tiles", &symbol).unwrap_err().contains("tiles"));
    assert!(evaluate("1 2", &symbol).is_err());
}
