//! Snowmen: two to four balls, and what may go with them.

use super::pen::{Pen, Point, step};

pub(super) fn draw(pen: &mut Pen) {
    let count = 2 + pen.choose(&[0.3, 0.6, 0.1]);
    let squash = 1.1 + pen.around(0.17);
    // Lower balls may be hung under the one above as open arcs, all in the same hand.
    let open = pen.chance(0.3);
    let mut radius = pen.between(0.28, 0.42);
    let mut top = 0.0;
    let mut x = 0.0;
    let mut balls: Vec<(Point, [f32; 2])> = Vec::new();
    for _ in 0..count {
        let radii = [radius * squash * (1.0 + pen.around(0.08)), radius * (1.0 + pen.around(0.06))];
        balls.push(([x, top + radii[1]], radii));
        top += 2.0 * radii[1] - radii[1] * pen.between(0.0, 0.22);
        x += pen.around(0.07);
        radius *= pen.between(1.02, 1.5);
    }
    for (i, &(center, radii)) in balls.iter().enumerate() {
        if i > 0 && open {
            let gap = pen.between(0.05, 0.13);
            pen.arc(center, radii, -0.25 + gap, 0.75 - gap * pen.between(0.7, 1.3));
        } else {
            pen.ellipse(center, radii);
        }
    }

    let (head, head_radii) = balls[0];
    let (middle, middle_radii) = balls[1];
    if pen.chance(0.22) {
        let brim = [head[0], head[1] - head_radii[1] * pen.between(0.7, 1.0)];
        hat(pen, brim, head_radii[0]);
    }
    if pen.chance(0.3) {
        face(pen, head, head_radii);
    }
    if pen.chance(0.3) {
        arms(pen, middle, middle_radii);
    }
    if pen.chance(0.2) {
        let buttons = 2 + pen.choose(&[1.0, 1.5, 0.5]);
        for i in 0..buttons {
            let y = middle[1] + middle_radii[1] * (-0.5 + 1.2 * i as f32 / buttons as f32);
            let at = pen.near([middle[0], y], 0.02);
            pen.dot(at);
        }
    }
    if pen.chance(0.07) {
        scarf(pen, [head[0], head[1] + head_radii[1] * 0.95], head_radii[0]);
    }
}

fn hat(pen: &mut Pen, brim: Point, radius: f32) {
    let [x, y] = brim;
    let wide = radius * pen.between(0.9, 1.4);
    let (half, height) = (radius * pen.between(0.5, 0.8), radius * pen.between(0.6, 1.2));
    if pen.chance(0.7) {
        pen.line([x - wide, y], [x + wide, y]);
        pen.corners(&[[x - half, y], [x - half, y - height], [x + half, y - height], [x + half, y]]);
    } else {
        let tip = pen.near([x, y - height], 0.06);
        pen.corners(&[[x - half, y], tip, [x + half, y]]);
    }
}

fn face(pen: &mut Pen, [x, y]: Point, [rx, ry]: [f32; 2]) {
    if pen.chance(0.8) {
        pen.dot([x - rx * 0.38, y - ry * 0.25]);
        pen.dot([x + rx * 0.38, y - ry * 0.25]);
    }
    if pen.chance(0.4) {
        let length = rx * pen.between(0.4, 2.0);
        let side = if pen.chance(0.5) { 1.0 } else { -1.0 };
        let tip = [x + side * length, y + ry * pen.between(0.0, 0.3)];
        pen.corners(&[[x, y - 0.03], tip, [x, y + 0.08]]);
    }
    if pen.chance(0.5) {
        pen.arc([x, y + ry * 0.2], [rx * 0.45, ry * 0.35], 0.05, 0.45);
    }
}

fn arms(pen: &mut Pen, center: Point, [rx, ry]: [f32; 2]) {
    let lift = pen.between(-0.05, 0.12);
    for side in [-1.0, 1.0] {
        let shoulder = [center[0] + side * rx * 0.9, center[1] - ry * 0.3];
        let direction = if side > 0.0 { -lift } else { 0.5 + lift } + pen.around(0.03);
        let length = pen.between(0.3, 0.75);
        let hand = step(shoulder, direction, length);
        pen.line(shoulder, hand);
        if pen.chance(0.25) {
            for fork in [-0.1, 0.1] {
                pen.line(step(shoulder, direction, length * 0.75), step(hand, direction + fork, 0.15));
            }
        }
        if pen.chance(0.12) {
            break;
        }
    }
}

fn scarf(pen: &mut Pen, neck: Point, radius: f32) {
    let [x, y] = neck;
    let half = radius * 0.8;
    for drop in [0.0, 0.13] {
        pen.curve(&[[x - half, y + drop], [x, y + drop + 0.06], [x + half, y + drop]]);
    }
    pen.line([x + half * 0.5, y + 0.1], [x + half * 0.8, y + 0.5]);
}
