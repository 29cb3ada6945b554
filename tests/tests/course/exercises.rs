//! The course's exercises, both ways: each starter fails its property with a message that helps, and the engine's own
//! operation passes the same property.

#[path = "../../../engine/examples/exercises/list.rs"]
mod list;

use list::lesson8::{self, Kernel, Matrices};
use list::{EXERCISES, Exercise};

/// A part of the message that each starter fails with: the place of the fault, and the hint.
const MESSAGES: [[&str; 2]; 8] = [
    ["at x = -2.5, dy = 1: dx is 1.000000, differences say ", "x stands in both factors"],
    ["e from moment 1 to 3: ", "some backward reads it after that"],
    ["input 1, element ", "Cases of one row pass"],
    ["padding: 0 }: y[0, 0] is ", "Pixel p adds x[p]·w[k]"],
    ["the bias of i 0.000000 for ", "c gets dc from the next step"],
    ["the derivative by μ₂ is 0.000000, differences say -1.000000", "Of the means, KL depends on"],
    ["of means [0.0, 0.0] and [0.0, 0.0], ", "Equal means leave the spreads"],
    ["transpose: race: ", "Two things need a barrier"],
];

#[test]
fn every_starter_fails_with_a_message_that_helps() {
    for (Exercise { lesson, starter, .. }, parts) in EXERCISES.iter().zip(MESSAGES) {
        let message = starter().expect_err("a starter that is not right yet");
        for part in parts {
            assert!(message.contains(part), "lesson {lesson}: found `{message}`, expected `{part}` in it");
        }
    }
}

#[test]
fn every_solution_passes() {
    for Exercise { lesson, solution, .. } in &EXERCISES {
        let found = solution();
        assert!(found.is_ok(), "lesson {lesson}: {found:?}");
    }
}

#[test]
fn every_exercise_is_in_its_place() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../engine/examples/exercises");
    for (i, Exercise { lesson, file, asks, .. }) in EXERCISES.iter().enumerate() {
        assert_eq!((*lesson, asks.is_empty()), (i + 1, false));
        assert!(std::path::Path::new(folder).join(file).is_file(), "lesson {lesson}: no file {file}");
    }
}

/// The kernel has two faults; with the first mended, the second is named, and with both it passes.
#[test]
fn a_kernel_without_its_race_still_has_bank_conflicts() {
    let property = |text: &str| lesson8::property(&Kernel { text, matrices: Matrices::InTurn });
    let next = "    add.u64         %x, %x, %size;";
    let mended = lesson8::STARTER.replacen(next, &format!("    bar.sync 0;\n{next}"), 1);
    let message = property(&mended).expect_err("rows of 32 words");
    assert!(message.contains("passes more than one each"), "{message}");
    let wider = mended.replace("tile[4096]", "tile[4224]").replace("%step, 32, %tx;", "%step, 33, %tx;");
    let wider = wider.replace("%tx, 32, %step;", "%tx, 33, %step;");
    assert!(property(&wider).is_ok(), "{:?}", property(&wider));
}
