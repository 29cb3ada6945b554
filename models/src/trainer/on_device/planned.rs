//! The launches of a step on a device, for batches of one size.

use inkgrad_kernels::launch::{Buffer, Launch};

use crate::model::{Scheduled, Training};

/// The plan of one batch size.
pub(super) struct Planned {
    pub(super) graph: Training,
    /// Which drawings, `u32`: (steps, batch size).
    pub(super) index: Buffer,
    /// The values of each input that changes from step to step, `f32`: (steps).
    pub(super) scheduled: Vec<(Scheduled, Buffer)>,
    /// Forward, backward and update; the first alone; the first two.
    pub(super) step: Vec<Launch>,
    pub(super) forward: Vec<Launch>,
    pub(super) gradient: Vec<Launch>,
    /// Its place among the plans.
    pub(super) number: u64,
}

/// Which of a plan's lists is launched.
#[derive(Clone, Copy)]
pub(super) enum List {
    Step,
    Forward,
    /// Without an update.
    Gradient,
}

impl List {
    const COUNT: u64 = 3;
}

impl Planned {
    /// A list, and the number that the device knows it by.
    pub(super) fn list(&self, list: List) -> (u64, &[Launch]) {
        let launches = match list {
            List::Step => &self.step,
            List::Forward => &self.forward,
            List::Gradient => &self.gradient,
        };
        (List::COUNT * self.number + list as u64, launches)
    }
}
