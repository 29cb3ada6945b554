//! The lifetimes of five nodes, by hand.
//!
//! ```text
//! node 0  w     param  (4)
//! node 1  e     exp w             its backward reads its output
//! node 2  s     softplus e        its backward reads its input
//! node 3  y     mul e s           its backward reads both inputs
//! node 4  loss  sum y             its backward reads nothing but the gradient
//! ```
//!
//! Node i of five runs forward at moment i and backward at moment 10 − i.

use inkgrad_engine::prelude::*;

use super::{Exercise, Verdict};

pub const EXERCISE: Exercise = Exercise {
    lesson: 2,
    file: "lesson2.rs",
    asks: "the lifetimes of five nodes, by hand",
    starter: || property(&YOURS),
    solution: || property(&plan()),
};

/// A buffer, and the first and the last moment at which its content matters.
type Alive = (&'static str, [usize; 2]);

/// The buffers of e, s and y: values, then gradients.
const NAMES: [&str; 6] = ["e", "s", "y", "de", "ds", "dy"];

/// Yours: as it stands, no backward reads a value, and each gradient is written just before it is read.
const YOURS: [Alive; 6] = [("e", [1, 3]), ("s", [2, 3]), ("y", [3, 4]), ("de", [8, 9]), ("ds", [7, 8]), ("dy", [6, 7])];

/// The engine's, out of the plan as it prints itself.
fn plan() -> [Alive; 6] {
    let (mut tape, mut params) = (Tape::<f64>::new(), Params::<f64>::new());
    let w = params.declare("w", [4], Init::Normal);
    let w = tape.param(&w);
    let record = |tape: &mut Tape<f64>| {
        let e = tape.exp(w)?;
        let s = tape.softplus(e)?;
        let y = tape.mul(e, s)?;
        tape.sum(y)
    };
    let loss = record(&mut tape).expect("equal shapes");
    let printed = tape.compile(Compile { loss: Some(loss), ..Compile::default() }).to_string();
    // Below the two lines of headings: node, op, value, alive, gradient, alive, gradients of the inputs.
    let moments = |node: usize, column: usize| -> [usize; 2] {
        let line = printed.lines().nth(2 + node).expect("a line a node");
        let alive = line.split_whitespace().nth(column).and_then(|alive| alive.split_once('-'));
        let (first, last) = alive.expect("first-last");
        [first, last].map(|moment| moment.parse().expect("a moment"))
    };
    std::array::from_fn(|i| (NAMES[i], if i < 3 { moments(i + 1, 3) } else { moments(i - 2, 5) }))
}

/// Every buffer lives from its first writer to its last reader, no moment longer.
fn property(answers: &[Alive; 6]) -> Verdict {
    for ((name, [first, last]), (_, [written, read])) in answers.iter().zip(plan()) {
        let is_gradient = name.starts_with('d');
        let hint = if *first > written {
            "something writes it before that"
        } else if *first < written {
            "nothing has written it yet at that moment"
        } else if *last < read {
            if is_gradient { "it is read after that" } else { "some backward reads it after that" }
        } else if *last > read {
            "nothing reads it so late"
        } else {
            continue;
        };
        return Err(format!("{name} from moment {first} to {last}: {hint}"));
    }
    Ok("all six lifetimes are the plan's".to_owned())
}
