//! Rabbits: a face, a figure from the front, or one from the side.

use super::pen::{Pen, Point, step};

pub(super) fn draw(pen: &mut Pen) {
    match pen.choose(&[0.46, 0.2, 0.34]) {
        0 => face_only(pen),
        1 => sitting(pen),
        _ => from_the_side(pen),
    }
    if pen.chance(0.5) {
        pen.mirror();
    }
}

/// How a rabbit's two ears look.
struct Ears {
    length: f32,
    width: f32,
    /// Half the angle between them, in turns.
    spread: f32,
    pointed: bool,
    inner: bool,
}

impl Ears {
    fn new(pen: &mut Pen, head: f32) -> Self {
        let length = head * pen.between(1.1, 2.3);
        Self {
            length,
            width: length * pen.between(0.17, 0.3),
            spread: pen.between(0.015, 0.13),
            pointed: pen.chance(0.3),
            inner: pen.chance(0.25),
        }
    }

    /// An open loop from the head up and back, `direction` in turns.
    fn draw_one(&self, pen: &mut Pen, root: Point, direction: f32) {
        let length = self.length * (1.0 + pen.around(0.1));
        let direction = direction + pen.around(0.012);
        let width = self.width * (1.0 + pen.around(0.12));
        self.outline(pen, root, direction, length, width);
        if self.inner {
            let inside = step(root, direction, length * 0.22);
            self.outline(pen, inside, direction, length * 0.55, self.width * 0.42);
        }
    }

    fn outline(&self, pen: &mut Pen, root: Point, direction: f32, length: f32, width: f32) {
        let at = |along: f32, across: f32| {
            let p = step(root, direction, length * along);
            step(p, direction + 0.25, width * across)
        };
        if self.pointed {
            let tip = pen.near(at(1.0, 0.0), 0.03);
            pen.curve(&[at(0.0, -0.8), at(0.5, -0.95), tip]);
            pen.curve(&[tip, at(0.5, 0.95), at(0.0, 0.8)]);
        } else {
            let points = [(0.0, -0.6), (0.35, -0.95), (0.75, -0.9), (1.0, 0.0), (0.75, 0.9), (0.35, 0.95), (0.0, 0.6)];
            let path = points.map(|(along, across)| pen.near(at(along, across), 0.015));
            pen.curve(&path);
        }
    }
}

/// Two ears on top of a head.
fn front_ears(pen: &mut Pen, ears: &Ears, [x, y]: Point, [rx, ry]: [f32; 2]) {
    let apart = rx * pen.between(0.35, 0.65);
    for side in [-1.0, 1.0] {
        let drop = 1.0 - (apart / rx).powi(2);
        ears.draw_one(pen, [x + side * apart, y - ry * drop.sqrt() * 0.95], -0.25 + side * ears.spread);
    }
}

fn face(pen: &mut Pen, [x, y]: Point, [rx, ry]: [f32; 2]) {
    let detail = rx.min(ry) * 0.16;
    if pen.chance(0.8) {
        let apart = rx * pen.between(0.3, 0.48);
        let eye_y = y - ry * pen.between(0.05, 0.35);
        let loops = pen.chance(0.25);
        for side in [-1.0, 1.0] {
            let eye = pen.near([x + side * apart, eye_y], 0.02);
            if loops {
                pen.ellipse(eye, [detail, detail]);
            } else {
                pen.dot(eye);
            }
        }
    }
    let nose = [x, y + ry * pen.between(0.05, 0.3)];
    if pen.chance(0.75) {
        if pen.chance(0.5) {
            pen.ellipse(nose, [detail * 0.8, detail * 0.6]);
        } else {
            pen.corners(&[
                [nose[0] - detail, nose[1] - detail * 0.6],
                [nose[0] + detail, nose[1] - detail * 0.6],
                [nose[0], nose[1] + detail * 0.6],
                [nose[0] - detail, nose[1] - detail * 0.6],
            ]);
        }
    }
    if pen.chance(0.45) {
        let wide = rx * pen.between(0.2, 0.4);
        if pen.chance(0.5) {
            pen.arc([x, nose[1] + ry * 0.12], [wide, ry * 0.28], 0.06, 0.44);
        } else {
            let low = nose[1] + ry * 0.38;
            pen.curve(&[[x - wide, low - 0.02], [x - wide / 2.0, low + 0.06], [x, nose[1] + ry * 0.15]]);
            pen.curve(&[[x, nose[1] + ry * 0.15], [x + wide / 2.0, low + 0.06], [x + wide, low - 0.02]]);
        }
    }
    if pen.chance(0.3) {
        let count = 2 + pen.choose(&[0.5, 0.5]);
        let length = rx * pen.between(0.5, 1.0);
        for side in [-1.0, 1.0] {
            for i in 0..count {
                let rise = (i as f32 - (count - 1) as f32 / 2.0) * 0.14;
                let root = [x + side * rx * 0.35, nose[1] + rise * 0.5];
                pen.line(root, [root[0] + side * length, root[1] + rise * 1.6]);
            }
        }
    }
}

fn face_only(pen: &mut Pen) {
    let radii = [pen.between(0.5, 0.75), pen.between(0.45, 0.75)];
    let ears = Ears::new(pen, 0.6);
    pen.ellipse([0.0, 0.0], radii);
    front_ears(pen, &ears, [0.0, 0.0], radii);
    face(pen, [0.0, 0.0], radii);
}

fn sitting(pen: &mut Pen) {
    let radii = [pen.between(0.28, 0.42), pen.between(0.26, 0.38)];
    let ears = Ears::new(pen, 0.4);
    pen.ellipse([0.0, 0.0], radii);
    front_ears(pen, &ears, [0.0, 0.0], radii);
    if pen.chance(0.5) {
        face(pen, [0.0, 0.0], radii);
    }
    let body = [pen.between(0.3, 0.55), pen.between(0.4, 0.65)];
    let center = [pen.around(0.06), radii[1] + body[1] * 0.93];
    pen.ellipse(center, body);
    let low = center[1] + body[1] * 0.92;
    if pen.chance(0.5) {
        for side in [-1.0, 1.0] {
            pen.ellipse([center[0] + side * body[0] * 0.55, low], [0.2, 0.11]);
        }
    }
    if pen.chance(0.3) {
        for side in [-1.0, 1.0] {
            let shoulder = [center[0] + side * body[0] * 0.8, center[1] - body[1] * 0.4];
            let paw = pen.near([center[0] + side * body[0] * 1.3, center[1] + 0.1], 0.12);
            pen.line(shoulder, paw);
        }
    }
    if pen.chance(0.25) {
        pen.ellipse([center[0] + body[0] * 1.1, low - 0.12], [0.13, 0.13]);
    }
}

fn from_the_side(pen: &mut Pen) {
    let body = [pen.between(0.6, 0.85), pen.between(0.26, 0.46)];
    let head_size = pen.between(0.22, 0.34);
    let head = [-body[0] * pen.between(0.85, 1.1), -body[1] * pen.between(0.5, 1.2)];
    if pen.chance(0.75) {
        pen.ellipse([0.0, 0.0], body);
    } else {
        // A back and a belly that leave the head open.
        let back = [head[0] + head_size, head[1]];
        pen.curve(&[back, [0.0, -body[1]], [body[0], -body[1] * 0.2], [body[0] * 0.8, body[1]]]);
        pen.line([body[0] * 0.8, body[1]], [-body[0] * 0.8, body[1]]);
        pen.line([-body[0] * 0.8, body[1]], [head[0] + head_size * 0.2, head[1] + head_size]);
    }
    let radii = [head_size * pen.between(1.0, 1.3), head_size];
    pen.ellipse(head, radii);
    let ears = Ears { inner: false, ..Ears::new(pen, 0.38) };
    let lean = pen.between(-0.03, 0.15);
    for (at, spread) in [(-0.3, -ears.spread * 0.5), (0.35, ears.spread * 0.5)] {
        let root = [head[0] + at * radii[0], head[1] - radii[1] * 0.85];
        ears.draw_one(pen, root, -0.25 + lean + spread);
    }
    if pen.chance(0.7) {
        pen.dot([head[0] - radii[0] * 0.3, head[1] - radii[1] * 0.2]);
    }
    if pen.chance(0.35) {
        pen.dot([head[0] - radii[0], head[1] + radii[1] * 0.1]);
    }
    if pen.chance(0.1) {
        for rise in [-0.08, 0.05] {
            pen.line([head[0] - radii[0] * 0.6, head[1] + 0.05], [head[0] - radii[0] * 1.7, head[1] + 0.08 + rise]);
        }
    }
    if pen.chance(0.7) {
        let size = pen.between(0.08, 0.17);
        pen.ellipse([body[0] + size * 0.6, -body[1] * pen.between(-0.2, 0.4)], [size, size]);
    }
    match pen.choose(&[0.3, 0.35, 0.35]) {
        0 => {}
        1 => {
            for at in [-0.7, -0.45, 0.4, 0.65] {
                let root = [body[0] * at, body[1] * 0.85];
                let foot = pen.near([root[0], root[1] + pen.between(0.2, 0.35)], 0.04);
                pen.line(root, foot);
            }
        }
        _ => {
            for at in [-0.55, 0.5] {
                let size = [pen.between(0.15, 0.28), pen.between(0.07, 0.13)];
                pen.ellipse([body[0] * at, body[1] * 1.02], size);
            }
        }
    }
}
