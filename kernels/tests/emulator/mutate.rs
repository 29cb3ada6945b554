//! Faults on purpose.

use inkgrad_kernels::emulator::mutate::*;

const SOURCE: &str = "\
.version 7.0 // mov.u32 %x, 0;
.visible .entry other() { bar.sync 0; ret; }
.visible .entry first(.param .u64 x)
{
    .reg .u32 %r<4>; // bar.sync 9;
    mov.u32 %r0, 0;  // zero
    setp.ge.u32 %p, %r0, %r1;
    @%p st.shared.u32 [%r2], %r0;
    mad.lo.u32
        %r0, %r1, %r2, %r3;
    { bar.sync 0; }
    bar.sync 1;
    ret;
}
";

fn changed(opcode: &str, nth: usize, change: Change) -> Result<(usize, String, String), String> {
    let mutant = Mutation { opcode, nth, change }.apply(SOURCE, "first")?;
    assert_eq!(mutant.source.lines().count(), SOURCE.lines().count());
    let line = mutant.source.lines().nth(mutant.line - 1).unwrap();
    Ok((mutant.line, line.to_owned(), mutant.name))
}

#[test]
fn one_instruction_of_one_kernel_changes() {
    let of = |line, text: &str, name: &str| Ok((line, text.to_owned(), name.to_owned()));
    assert_eq!(changed("bar.sync", 0, Change::Delete), of(11, "    {  }", "bar.sync 0; deleted"));
    assert_eq!(changed("bar.sync", 1, Change::Delete), of(12, "    ", "bar.sync 1; deleted"));
    assert_eq!(
        changed("setp", 0, Change::Opcode("setp.gt.u32")),
        of(7, "    setp.gt.u32 %p, %r0, %r1;", "setp.ge.u32 %p, %r0, %r1; made setp.gt.u32")
    );
    assert_eq!(changed("st.", 0, Change::NegateGuard).unwrap().1, "    @!%p st.shared.u32 [%r2], %r0;");
    assert_eq!(changed("st.", 0, Change::Unguard).unwrap().1, "    st.shared.u32 [%r2], %r0;");
    assert_eq!(changed("mad", 0, Change::Swap(2, 3)).unwrap().1, "    mad.lo.u32 %r0, %r1, %r3, %r2;");
    assert_eq!(changed("mov", 0, Change::Operand(1, "1")).unwrap().1, "    mov.u32 %r0, 1;  // zero");
}

#[test]
fn what_is_not_there_is_not_changed() {
    assert!(changed("bar.sync", 2, Change::Delete).unwrap_err().contains("bar.sync"));
    assert!(changed("mov", 0, Change::Unguard).unwrap_err().contains("no guard"));
    assert!(changed("mov", 0, Change::Swap(0, 2)).is_err());
    let nowhere = Mutation { opcode: "mov", nth: 0, change: Change::Delete }.apply(SOURCE, "second");
    assert!(nowhere.unwrap_err().contains("second"));
}

#[test]
fn the_rules_find_every_place() {
    let found = mutants(SOURCE, "first").unwrap();
    let lines: Vec<usize> = found.iter().map(|mutant| mutant.line).collect();
    // The zero, the comparison, the store twice, the address, two barriers.
    assert_eq!(lines, [6, 7, 8, 8, 9, 11, 12]);
    assert!(found.iter().all(|mutant| mutant.source != SOURCE));
    assert!(found[3].source.contains("@%p st.shared.u32 [%r2 + 4], %r0;"));
}
