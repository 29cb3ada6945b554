//! Hands: the outline traced around fingers, palm and wrist.

use super::pen::{Pen, Point, step};

pub(super) fn draw(pen: &mut Pen) {
    if pen.chance(0.03) {
        mitten(pen);
    } else {
        outline(pen);
    }
    if pen.chance(0.5) {
        pen.mirror();
    }
    let turns = if pen.chance(0.18) { pen.between(-0.25, 0.25) } else { pen.around(0.035) };
    pen.turn(turns);
}

/// One finger of the outline.
struct Finger {
    root: Point,
    /// In turns, -0.25 is up.
    direction: f32,
    length: f32,
    half_width: f32,
}

/// From the thumb on the left over the fingers to the little finger, then down to the wrist.
fn outline(pen: &mut Pen) {
    let fingers = 4 - pen.choose(&[0.82, 0.18]);
    let thumb = pen.chance(0.9);
    let palm = [pen.between(0.42, 0.6), pen.between(0.35, 0.65)];
    let fan = pen.between(0.05, 0.22);
    let length = pen.between(0.4, 0.95);
    let thickness = palm[0] / fingers as f32 * pen.between(0.6, 0.9);
    let pointed = pen.chance(0.25);
    let valley_depth = pen.between(0.0, 0.12);

    let mut list = Vec::new();
    if thumb {
        list.push(Finger {
            root: [-palm[0] * 0.95, palm[1] * pen.between(0.1, 0.5)],
            direction: -0.25 - fan / 2.0 - pen.between(0.06, 0.17),
            length: length * pen.between(0.6, 0.9),
            half_width: thickness * pen.between(0.8, 1.2),
        });
    }
    for i in 0..fingers {
        // From -1 for the index to 1 for the little finger.
        let across = 2.0 * i as f32 / (fingers - 1) as f32 - 1.0;
        let bow = 1.0 - 0.28 * (across - 0.05).powi(2) - if i == fingers - 1 { 0.1 } else { 0.0 };
        list.push(Finger {
            root: [across * palm[0] * 0.78, -palm[1] * (1.0 - 0.22 * across * across)],
            direction: -0.25 + across * fan / 2.0 + pen.around(0.012),
            length: length * bow * (1.0 + pen.around(0.1)),
            half_width: thickness,
        });
    }

    let wrist_half = palm[0] * pen.between(0.35, 0.85);
    let wrist_low = palm[1] + pen.between(0.05, 0.75);
    let ending = pen.choose(&[0.55, 0.33, 0.12]);
    let mut path: Vec<Point> = Vec::new();
    match ending {
        // An open arm, a closed heel of the hand, or fingers alone.
        0 => path.extend([[-wrist_half, wrist_low], [-wrist_half * 1.05, palm[1] * 0.9]]),
        1 => path.extend([[0.0, palm[1] * 1.35], [-palm[0] * 0.75, palm[1] * 1.05]]),
        _ => {}
    }
    if !thumb {
        path.push([-palm[0] * 0.98, palm[1] * 0.2]);
    }
    for (i, finger) in list.iter().enumerate() {
        around(pen, finger, pointed, &mut path);
        if let Some(next) = list.get(i + 1) {
            let here = step(finger.root, finger.direction + 0.25, finger.half_width);
            let there = step(next.root, next.direction - 0.25, next.half_width);
            let valley = [(here[0] + there[0]) / 2.0, (here[1] + there[1]) / 2.0 + valley_depth];
            path.push(pen.near(valley, 0.03));
        }
    }
    match ending {
        0 => path.extend([
            [palm[0] * 0.95, palm[1] * 0.1],
            [wrist_half * 1.05, palm[1] * 0.9],
            [wrist_half + pen.around(0.06), wrist_low + pen.around(0.1)],
        ]),
        1 => path.extend([
            [palm[0], palm[1] * 0.1],
            [palm[0] * 0.8, palm[1] * 1.0],
            [pen.around(0.06), palm[1] * 1.35 + pen.around(0.05)],
        ]),
        _ => path.push([palm[0] * 1.0, palm[1] * pen.between(-0.3, 0.6)]),
    }
    let mut path: Vec<Point> = path.into_iter().map(|p| pen.near(p, 0.018)).collect();
    // A stroke often ends early, or the pen is lifted once on the way.
    if ending != 1 && pen.chance(0.15) {
        path.truncate(path.len() - 1);
    }
    if pen.chance(0.2) {
        let lift = path.len() / 2;
        pen.curve(&path[..=lift]);
        let again = pen.near(path[lift], 0.04);
        let rest: Vec<Point> = std::iter::once(again).chain(path[lift + 1..].iter().copied()).collect();
        pen.curve(&rest);
    } else {
        pen.curve(&path);
    }
    if ending == 0 && pen.chance(0.12) {
        pen.line([-wrist_half, wrist_low], [wrist_half, wrist_low]);
    }
}

/// Up one side of a finger, around its tip and down the other.
fn around(pen: &mut Pen, finger: &Finger, pointed: bool, path: &mut Vec<Point>) {
    let at = |along: f32, across: f32| {
        let p = step(finger.root, finger.direction, finger.length * along);
        step(p, finger.direction + 0.25, finger.half_width * across)
    };
    path.push(at(0.3, -0.95));
    if pointed {
        path.push(pen.near(at(1.0, 0.0), 0.02));
    } else {
        path.extend([at(0.85, -0.85), at(1.0, 0.0), at(0.85, 0.85)]);
    }
    path.push(at(0.3, 0.95));
}

/// A mitten with lines that part the fingers.
fn mitten(pen: &mut Pen) {
    let half = pen.between(0.4, 0.55);
    let top = -pen.between(0.9, 1.2);
    pen.curve(&[
        [-half, 0.9],
        [-half * 1.05, 0.0],
        [-half * 0.8, top * 0.85],
        [0.0, top],
        [half * 0.8, top * 0.9],
        [half, 0.1],
        [half * 0.9, 0.9],
    ]);
    for across in [-0.4, 0.05, 0.5] {
        pen.line([half * across, top * 0.9], [half * across, top * pen.between(0.0, 0.3)]);
    }
    pen.curve(&[[-half, 0.4], [-half * 1.7, 0.0], [-half * 1.6, -0.25], [-half * 1.05, 0.0]]);
}
