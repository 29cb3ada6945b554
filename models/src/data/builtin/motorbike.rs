//! Motorbikes from the side, front wheel to the right: wheels, a frame or a body, handlebars, now and then a rider.

use super::pen::{Pen, Point, mix, step};

pub(super) fn draw(pen: &mut Pen) {
    let radius = pen.between(0.2, 0.36);
    let [rear, front] = [[-pen.between(0.52, 0.75), pen.around(0.03)], [pen.between(0.52, 0.75), pen.around(0.03)]];
    let bike = Bike { rear, front, radius };
    bike.wheels(pen);
    let grip = match pen.choose(&[0.26, 0.26, 0.12, 0.22, 0.14]) {
        0 => bike.plank(pen),
        1 => bike.swept(pen),
        2 => bike.triangle(pen),
        3 => bike.body(pen),
        _ => bike.arches(pen),
    };
    if pen.chance(0.08) {
        bike.rider(pen, grip);
    }
    if pen.chance(0.2) {
        // Exhaust pipe.
        let from = [bike.front[0] * pen.between(-0.2, 0.2), radius * 0.3];
        pen.line(from, [bike.rear[0] - radius * pen.between(0.3, 1.4), radius * pen.between(-0.1, 0.5)]);
    }
    if pen.chance(0.5) {
        pen.mirror();
    }
}

struct Bike {
    /// Hub of the rear wheel, on the left.
    rear: Point,
    /// Hub of the front wheel.
    front: Point,
    radius: f32,
}

impl Bike {
    fn wheels(&self, pen: &mut Pen) {
        let detail = pen.choose(&[0.66, 0.11, 0.1, 0.08, 0.05]);
        let squash = 1.0 + pen.around(0.08);
        for hub in [self.rear, self.front] {
            let size = self.radius * (1.0 + pen.around(0.1));
            pen.ellipse(hub, [size * squash, size / squash]);
            match detail {
                0 => {}
                1 => pen.ellipse(hub, [size * 0.45, size * 0.45]),
                2 => pen.dot(hub),
                3 => pen.scribble(hub, [size * 0.8, size * 0.8]),
                _ => {
                    let tilt = pen.between(0.0, 0.25);
                    for spoke in [tilt, tilt + 0.25] {
                        pen.line(step(hub, spoke, size * 0.9), step(hub, spoke + 0.5, size * 0.9));
                    }
                }
            }
        }
    }

    /// Where a part meets a wheel: at the top of the rim or at the hub.
    fn rim(&self, pen: &Pen, hub: Point) -> Point {
        if pen.chance(0.35) { hub } else { [hub[0] + pen.around(0.05), hub[1] - self.radius * 0.95] }
    }

    /// Fork from the front hub to the handlebar; returns the grip.
    fn fork(&self, pen: &mut Pen, height: f32) -> Point {
        let [x, y] = self.front;
        let head = [x - pen.between(0.05, 0.35), y - height];
        let foot = self.rim(pen, self.front);
        pen.line(foot, head);
        self.handlebar(pen, head)
    }

    fn handlebar(&self, pen: &mut Pen, head: Point) -> Point {
        let length = pen.between(0.15, 0.35);
        match pen.choose(&[0.45, 0.25, 0.2, 0.1]) {
            0 => {
                let grip = step(head, 0.5 - pen.between(-0.03, 0.13), length);
                pen.line(head, grip);
                grip
            }
            1 => {
                // Two horns.
                for direction in [-0.4, -0.1] {
                    pen.line(head, step(head, direction + pen.around(0.03), length * 0.8));
                }
                head
            }
            2 => {
                pen.line([head[0] - length * 0.6, head[1]], [head[0] + length * 0.6, head[1] + pen.around(0.04)]);
                head
            }
            _ => head,
        }
    }

    fn seat(&self, pen: &mut Pen, at: Point) {
        let half = pen.between(0.12, 0.28);
        match pen.choose(&[0.45, 0.35, 0.2]) {
            0 => pen.line([at[0] - half, at[1]], [at[0] + half, at[1] + pen.around(0.03)]),
            1 => pen.ellipse(at, [half, half * 0.4]),
            _ => pen.curve(&[[at[0] - half, at[1] - 0.12], [at[0], at[1]], [at[0] + half, at[1] - 0.04]]),
        }
    }

    /// A bar from hub to hub.
    fn plank(&self, pen: &mut Pen) -> Point {
        let lift = self.radius * pen.between(0.3, 1.5);
        let [a, b] = [self.rear, self.front].map(|hub| [hub[0], hub[1] - lift]);
        pen.line(a, b);
        if pen.chance(0.5) {
            let post = mix(a, b, pen.between(0.2, 0.45));
            let top = [post[0] + pen.around(0.05), post[1] - pen.between(0.2, 0.4)];
            pen.line(post, top);
            self.seat(pen, top);
        }
        let height = pen.between(0.5, 0.85);
        self.fork(pen, height)
    }

    /// One long line: tail, seat, tank, handlebar, and a second one down to the wheels.
    fn swept(&self, pen: &mut Pen) -> Point {
        let high = self.radius + pen.between(0.2, 0.4);
        let span = self.front[0] - self.rear[0];
        let at = |along: f32, up: f32| [self.rear[0] + along * span, -up];
        let tail = at(-pen.between(0.0, 0.2), high * pen.between(0.9, 1.15));
        let head = at(pen.between(0.72, 0.9), high * pen.between(1.1, 1.45));
        let seat = pen.near(at(0.25, high * 0.85), 0.03);
        let hollow = pen.near(at(0.42, high * 0.8), 0.03);
        let tank = pen.near(at(0.6, high * pen.between(1.05, 1.25)), 0.03);
        pen.curve(&[tail, seat, hollow, tank, head]);
        if pen.chance(0.7) {
            let end = self.rim(pen, self.rear);
            pen.curve(&[tail, at(0.0, high * 0.75), end]);
        } else {
            let end = self.rim(pen, self.rear);
            pen.line(seat, end);
        }
        let end = self.rim(pen, self.front);
        pen.line(head, end);
        if pen.chance(0.6) {
            pen.curve(&[
                at(0.1, self.radius * 0.4),
                at(0.45, self.radius * pen.between(-0.1, 0.5)),
                at(0.82, high * 0.7),
            ]);
        }
        self.handlebar(pen, head)
    }

    /// Tubes that meet at the seat, the pedals and the handlebar.
    fn triangle(&self, pen: &mut Pen) -> Point {
        let span = self.front[0] - self.rear[0];
        let seat = [self.rear[0] + span * pen.between(0.25, 0.4), -self.radius - pen.between(0.1, 0.3)];
        let head = [self.rear[0] + span * pen.between(0.75, 0.9), -self.radius - pen.between(0.15, 0.4)];
        let crank = [self.rear[0] + span * pen.between(0.4, 0.55), pen.between(-0.1, 0.1)];
        pen.line(self.rear, seat);
        pen.line(seat, head);
        if pen.chance(0.75) {
            pen.corners(&[seat, crank, head]);
        }
        if pen.chance(0.6) {
            pen.line(self.rear, crank);
        }
        let top = mix(head, self.front, -pen.between(0.25, 0.6));
        pen.line(self.front, top);
        self.seat(pen, [seat[0], seat[1] - 0.06]);
        self.handlebar(pen, top)
    }

    /// A closed body over both wheels.
    fn body(&self, pen: &mut Pen) -> Point {
        let span = self.front[0] - self.rear[0];
        let low = -self.radius * pen.between(0.2, 0.8);
        let high = -self.radius - pen.between(0.15, 0.35);
        let at = |along: f32| self.rear[0] + along * span;
        let (back, nose) = (at(-pen.between(-0.1, 0.15)), at(pen.between(0.75, 0.95)));
        let outline = [
            [back, high],
            [at(0.35), high + pen.between(0.0, 0.12)],
            [at(0.6), high - pen.between(0.0, 0.15)],
            [nose, high],
            [nose - 0.1, low],
            [at(0.15), low],
            [back, high],
        ];
        if pen.chance(0.5) {
            pen.corners(&outline);
        } else {
            pen.curve(&outline);
        }
        if pen.chance(0.4) {
            self.seat(pen, [at(0.3), high - 0.06]);
        }
        let height = self.radius + pen.between(0.35, 0.65);
        self.fork(pen, height)
    }

    /// A mudguard over each wheel and a hollow between them.
    fn arches(&self, pen: &mut Pen) -> Point {
        let high = self.radius * pen.between(1.2, 1.5);
        let [rear, front] = [self.rear[0], self.front[0]];
        pen.curve(&[
            [rear - self.radius * 1.2, 0.0],
            [rear - self.radius * 0.7, -high * 0.85],
            [rear + self.radius * 0.5, -high],
            [0.0, -self.radius * pen.between(0.5, 1.0)],
            [front - self.radius * 0.6, -high],
            [front + self.radius * 0.6, -high * 0.9],
            [front + self.radius * 1.2, -high * 0.3],
        ]);
        self.seat(pen, [rear + self.radius * 0.8, -high - 0.08]);
        let height = self.radius + pen.between(0.35, 0.6);
        self.fork(pen, height)
    }

    fn rider(&self, pen: &mut Pen, grip: Point) {
        let seat = [self.rear[0] * 0.35, -self.radius - pen.between(0.25, 0.4)];
        let neck = [seat[0] + pen.between(0.0, 0.2), seat[1] - pen.between(0.35, 0.5)];
        let head = pen.between(0.12, 0.19);
        pen.ellipse([neck[0] + 0.03, neck[1] - head], [head, head]);
        pen.line(neck, seat);
        pen.line(mix(neck, seat, 0.25), grip);
        if pen.chance(0.7) {
            pen.corners(&[seat, [seat[0] + 0.3, seat[1] + 0.12], [seat[0] + 0.2, -self.radius * 0.3]]);
        }
    }
}
