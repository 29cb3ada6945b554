//! Yoga: stick figures in a dozen poses, with or without a mat.

use super::pen::{Pen, Point, mix, step};

pub(super) fn draw(pen: &mut Pen) {
    let figure = Figure::new(pen);
    let ground = match pen.choose(&[1.2, 1.3, 1.0, 1.0, 1.5, 0.8, 0.6, 0.8, 0.5, 0.7, 0.6]) {
        0 => tree(pen, &figure),
        1 => warrior(pen, &figure),
        2 => star(pen, &figure),
        3 => lunge(pen, &figure),
        4 => lotus(pen, &figure),
        5 => downward_dog(pen, &figure),
        6 => bridge(pen, &figure),
        7 => staff(pen, &figure),
        8 => headstand(pen, &figure),
        9 => balance(pen, &figure),
        _ => cobra(pen, &figure),
    };
    mat(pen, ground);
    if pen.chance(0.5) {
        pen.mirror();
    }
}

/// Sizes that a person gives to all figures of a drawing.
struct Figure {
    head: f32,
    torso: f32,
    arm: f32,
    leg: f32,
    /// A body with a width instead of a line.
    plump: bool,
    face: bool,
}

impl Figure {
    fn new(pen: &mut Pen) -> Self {
        Self {
            head: pen.between(0.13, 0.27),
            torso: pen.between(0.45, 0.75),
            arm: pen.between(0.45, 0.7),
            leg: pen.between(0.6, 0.95),
            plump: pen.chance(0.12),
            face: pen.chance(0.15),
        }
    }

    /// A head whose centre lies a radius beyond `neck`.
    fn head(&self, pen: &mut Pen, neck: Point, direction: f32) {
        let center = step(neck, direction, self.head);
        let radii = [self.head * (1.0 + pen.around(0.08)), self.head * (1.0 + pen.around(0.08))];
        pen.ellipse(center, radii);
        if self.face {
            for side in [-0.35, 0.35] {
                pen.dot([center[0] + side * self.head, center[1] - self.head * 0.2]);
            }
            pen.arc(center, [self.head * 0.5, self.head * 0.5], 0.08, 0.42);
        }
    }

    fn torso(&self, pen: &mut Pen, neck: Point, hip: Point) {
        if self.plump {
            let half = [(hip[1] - neck[1]) * 0.22, (neck[0] - hip[0]) * 0.22];
            let middle = mix(neck, hip, 0.5);
            pen.curve(&[neck, [middle[0] + half[0], middle[1] + half[1]], hip]);
            pen.curve(&[neck, [middle[0] - half[0], middle[1] - half[1]], hip]);
        } else {
            pen.line(neck, hip);
        }
    }

    /// An upright trunk on `hip`: draws head and torso, returns the shoulders.
    fn upright(&self, pen: &mut Pen, hip: Point, lean: f32) -> Point {
        let neck = step(hip, -0.25 + lean, self.torso);
        self.head(pen, neck, -0.25 + lean);
        self.torso(pen, neck, hip);
        mix(neck, hip, pen.between(0.1, 0.35))
    }

    /// Both arms from the shoulders, in one of a few ways.
    fn arms(&self, pen: &mut Pen, shoulders: Point, weights: &[f32; 5]) {
        let style = pen.choose(weights);
        let crown = [shoulders[0] + pen.around(0.04), shoulders[1] - self.arm - 2.2 * self.head];
        let angle = pen.between(0.03, 0.14);
        for side in [-1.0f32, 1.0] {
            // Directions are given for the right arm; the left one mirrors them.
            let toward = |turns: f32| if side > 0.0 { turns } else { 0.5 - turns };
            let wobble = pen.around(0.015);
            match style {
                // Straight out, raised, hanging.
                0 => pen.line(shoulders, step(shoulders, toward(wobble), self.arm)),
                1 => pen.line(shoulders, step(shoulders, toward(-angle + wobble), self.arm)),
                2 => {
                    let elbow = step(shoulders, toward(0.09 + wobble), self.arm * 0.5);
                    pen.curve(&[shoulders, elbow, step(elbow, toward(0.16), self.arm * 0.45)]);
                }
                // Joined above the head, or before the breast.
                3 => {
                    let elbow = [shoulders[0] + side * (self.head + 0.18), shoulders[1] - self.head * 1.1];
                    let elbow = pen.near(elbow, 0.03);
                    pen.corners(&[shoulders, elbow, crown]);
                }
                _ => {
                    let elbow = pen.near([shoulders[0] + side * self.arm * 0.5, shoulders[1] + self.torso * 0.3], 0.03);
                    pen.corners(&[shoulders, elbow, [shoulders[0], shoulders[1] + self.torso * 0.1]]);
                }
            }
        }
    }
}

/// The lowest and the outermost points that a mat has to reach.
struct Ground {
    y: f32,
    left: f32,
    right: f32,
}

fn mat(pen: &mut Pen, ground: Ground) {
    let Ground { y, left, right } = ground;
    let over = pen.between(0.05, 0.35);
    let (left, right) = (left - over, right + over * pen.between(0.5, 1.2));
    match pen.choose(&[0.62, 0.22, 0.09, 0.07]) {
        0 => {}
        1 => pen.line([left, y + 0.04], [right, y + 0.04 + pen.around(0.04)]),
        2 => {
            let low = y + pen.between(0.1, 0.25);
            pen.corners(&[[left, y], [right, y], [right, low], [left, low], [left, y]]);
        }
        _ => pen.ellipse([(left + right) / 2.0, y + 0.05], [(right - left) / 2.0, 0.12]),
    }
}

fn tree(pen: &mut Pen, figure: &Figure) -> Ground {
    let shoulders = figure.upright(pen, [0.0, 0.0], 0.0);
    figure.arms(pen, shoulders, &[0.6, 1.0, 0.1, 1.3, 0.6]);
    let foot = [pen.around(0.04), figure.leg];
    pen.line([0.0, 0.0], foot);
    let knee = [figure.leg * pen.between(0.35, 0.55), figure.leg * pen.between(0.2, 0.5)];
    let sole = [0.02, figure.leg * pen.between(0.45, 0.75)];
    pen.corners(&[[0.0, 0.0], knee, sole]);
    Ground { y: figure.leg, left: -0.4, right: 0.4 }
}

fn warrior(pen: &mut Pen, figure: &Figure) -> Ground {
    let lean = pen.around(0.015);
    let shoulders = figure.upright(pen, [0.0, 0.0], lean);
    figure.arms(pen, shoulders, &[1.6, 0.8, 0.0, 0.4, 0.0]);
    let wide = figure.leg * pen.between(0.6, 1.0);
    let y = figure.leg * 0.8;
    pen.line([0.0, 0.0], [-wide, y]);
    if pen.chance(0.6) {
        pen.corners(&[[0.0, 0.0], [wide * 0.75, y * 0.25], [wide * 0.75, y]]);
    } else {
        pen.line([0.0, 0.0], [wide, y]);
    }
    Ground { y, left: -wide, right: wide }
}

fn star(pen: &mut Pen, figure: &Figure) -> Ground {
    let lean = pen.around(0.015);
    let shoulders = figure.upright(pen, [0.0, 0.0], lean);
    figure.arms(pen, shoulders, &[0.7, 1.3, 0.5, 0.5, 0.2]);
    let wide = figure.leg * pen.between(0.25, 0.6);
    for side in [-1.0, 1.0] {
        let foot = [side * wide, figure.leg];
        pen.line([0.0, 0.0], foot);
        if pen.chance(0.15) {
            pen.line(foot, [foot[0] + side * 0.14, foot[1]]);
        }
    }
    Ground { y: figure.leg, left: -wide, right: wide }
}

fn lunge(pen: &mut Pen, figure: &Figure) -> Ground {
    let lean = pen.around(0.015);
    let shoulders = figure.upright(pen, [0.0, 0.0], lean);
    figure.arms(pen, shoulders, &[1.0, 1.2, 0.4, 0.5, 0.4]);
    let y = figure.leg * 0.6;
    let knee = [figure.leg * 0.5, 0.03];
    pen.corners(&[[0.0, 0.0], knee, [knee[0], y]]);
    let back = [-figure.leg * pen.between(0.6, 0.95), y];
    if pen.chance(0.5) {
        pen.line([0.0, 0.0], back);
    } else {
        pen.corners(&[[0.0, 0.0], [-0.08, y], back]);
    }
    Ground { y, left: back[0], right: knee[0] }
}

fn lotus(pen: &mut Pen, figure: &Figure) -> Ground {
    let hip = [0.0, 0.0];
    let shoulders = figure.upright(pen, hip, 0.0);
    let wide = pen.between(0.45, 0.75);
    let y = pen.between(0.12, 0.25);
    match pen.choose(&[0.35, 0.35, 0.3]) {
        // Shins crossed, one flat loop, or a loop for each leg.
        0 => {
            for side in [-1.0, 1.0] {
                pen.corners(&[hip, [side * wide, y * 0.5], [-side * wide * 0.4, y * 1.4]]);
            }
        }
        1 => pen.ellipse([0.0, y * 0.6], [wide, y]),
        _ => {
            for side in [-1.0, 1.0] {
                pen.ellipse([side * wide * 0.5, y * 0.6], [wide * 0.55, y * 0.7]);
            }
        }
    }
    if pen.chance(0.55) {
        for side in [-1.0, 1.0] {
            let elbow = [side * wide * 0.7, (shoulders[1] + y) * 0.5];
            pen.corners(&[shoulders, elbow, [side * wide * pen.between(0.75, 1.05), y * 0.2]]);
        }
    } else {
        figure.arms(pen, shoulders, &[0.7, 1.0, 0.1, 1.2, 1.2]);
    }
    Ground { y: y * 1.6, left: -wide, right: wide }
}

fn downward_dog(pen: &mut Pen, figure: &Figure) -> Ground {
    let figure = Figure { head: figure.head * 0.75, ..*figure };
    let (wide, high) = (pen.between(0.7, 1.0), pen.between(0.6, 0.9));
    let hip = [pen.around(0.08), -high];
    let hand = [-wide, 0.0];
    let shoulder = mix(hip, hand, pen.between(0.5, 0.65));
    pen.line(hip, hand);
    pen.line(hip, [wide * 0.8, 0.0]);
    if pen.chance(0.4) {
        pen.line(hip, [wide * 0.55, 0.0]);
    }
    let nod = 0.27 + pen.around(0.04);
    figure.head(pen, step(shoulder, nod, 0.03), nod);
    if pen.chance(0.4) {
        pen.line([wide * 0.8, 0.0], [wide * 0.8 - 0.15, 0.02]);
    }
    if pen.chance(0.3) {
        pen.line(shoulder, [hand[0] + 0.2, 0.0]);
    }
    Ground { y: 0.0, left: -wide, right: wide }
}

fn bridge(pen: &mut Pen, figure: &Figure) -> Ground {
    let (wide, high) = (pen.between(0.6, 0.9), pen.between(0.5, 0.8));
    if pen.chance(0.8) {
        pen.curve(&[[-wide, 0.0], [-wide * 0.7, -high * 0.7], [0.0, -high], [wide * 0.7, -high * 0.7], [wide, 0.0]]);
    } else {
        pen.corners(&[[-wide, 0.0], [-wide * 0.85, -high], [wide * 0.85, -high], [wide, 0.0]]);
    }
    if pen.chance(0.5) {
        pen.line([-wide * 0.65, -high * 0.75], [-wide * 0.5, 0.0]);
        pen.line([wide * 0.65, -high * 0.75], [wide * 0.5, 0.0]);
    }
    figure.head(pen, [-wide * 0.62, -high * 0.6], 0.2);
    Ground { y: 0.0, left: -wide, right: wide }
}

/// Sitting upright with straight legs.
fn staff(pen: &mut Pen, figure: &Figure) -> Ground {
    let lean = pen.around(0.03);
    let shoulders = figure.upright(pen, [0.0, 0.0], lean);
    let foot = [figure.leg * 1.1, pen.around(0.04)];
    pen.line([0.0, 0.0], foot);
    if pen.chance(0.5) {
        pen.line(foot, [foot[0] + 0.03, -0.15]);
    }
    if pen.chance(0.3) {
        pen.corners(&[[0.0, 0.0], [figure.leg * 0.5, -figure.leg * 0.4], [figure.leg * 0.8, 0.0]]);
    }
    let reach = [shoulders[0] + figure.arm, shoulders[1] + pen.between(-0.4, 0.4)];
    pen.line(shoulders, reach);
    if pen.chance(0.4) {
        pen.line(shoulders, [shoulders[0] - figure.arm * 0.5, 0.0]);
    }
    Ground { y: 0.02, left: -0.3, right: foot[0] }
}

fn headstand(pen: &mut Pen, figure: &Figure) -> Ground {
    let y = 0.0;
    let neck = [0.0, y - 2.0 * figure.head];
    let hip = [pen.around(0.04), neck[1] - figure.torso];
    figure.head(pen, neck, 0.25);
    figure.torso(pen, neck, hip);
    for side in [-1.0, 1.0] {
        let shoulder = mix(neck, hip, 0.15);
        let elbow = [side * (figure.head + 0.2), shoulder[1] + 0.05];
        pen.corners(&[shoulder, elbow, [side * (figure.head + 0.12), y]]);
    }
    let wide = pen.between(0.02, 0.5);
    for side in [-1.0, 1.0] {
        pen.line(hip, [side * wide, hip[1] - figure.leg * (1.0 - wide * 0.4)]);
    }
    Ground { y, left: -0.5, right: 0.5 }
}

/// On one leg, trunk and the other leg level (warrior III), or a dancer.
fn balance(pen: &mut Pen, figure: &Figure) -> Ground {
    let hip = [0.0, 0.0];
    pen.line(hip, [pen.around(0.05), figure.leg]);
    let tilt = pen.between(-0.1, 0.0);
    let neck = step(hip, tilt, figure.torso);
    figure.torso(pen, neck, hip);
    figure.head(pen, neck, tilt);
    let shoulders = mix(neck, hip, 0.2);
    pen.line(shoulders, step(shoulders, tilt + pen.between(0.04, 0.16), figure.arm));
    if pen.chance(0.5) {
        pen.line(shoulders, step(shoulders, 0.5 + pen.around(0.08), figure.arm * 0.7));
    }
    let knee = step(hip, 0.5 + pen.between(-0.02, 0.1), figure.leg * 0.55);
    if pen.chance(0.35) {
        pen.corners(&[hip, knee, step(knee, -0.25 + pen.around(0.05), figure.leg * 0.45)]);
    } else {
        let direction = 0.5 + pen.between(-0.02, 0.1);
        pen.line(hip, step(hip, direction, figure.leg));
    }
    Ground { y: figure.leg, left: -0.4, right: 0.4 }
}

fn cobra(pen: &mut Pen, figure: &Figure) -> Ground {
    let hip = [0.0, 0.0];
    let neck = [-figure.torso * pen.between(0.55, 0.9), -figure.torso * pen.between(0.3, 0.75)];
    pen.line(hip, [figure.leg * 1.1, pen.around(0.03)]);
    pen.curve(&[hip, [neck[0] * 0.7, neck[1] * 0.35], neck]);
    let nod = pen.around(0.05);
    figure.head(pen, neck, -0.3 + nod);
    let hand = [neck[0] + pen.around(0.1), 0.0];
    pen.line(mix(neck, hip, 0.2), hand);
    Ground { y: 0.02, left: neck[0] - 0.1, right: figure.leg * 1.1 }
}
