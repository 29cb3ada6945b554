//! A model's state on a device, from step to step: parameters, gradients, the optimiser's moments, and the window of steps with
//! all that a captured step must not have fixed.

use inkgrad_kernels::gpu::reduce::sum_scratch_len;
use inkgrad_kernels::gpu::step::RECORD;
use inkgrad_kernels::gpu::{Launches, Precision, Span, optimizer};
use inkgrad_kernels::launch::{Device, Launch, bytes_of, bytes_of_mut};
use inkgrad_kernels::ptx::CLUSTERS_FROM;

use super::window::{WINDOW, Window};
use crate::optim::{Optimizer, Rule};
use crate::{DeviceError, Params};

/// A model's state on a device.
#[derive(Debug)]
pub struct State {
    /// The parameters.
    pub values: Span,
    /// Their gradients.
    pub grads: Span,
    first: Span,
    second: Span,
    /// The steps that come next.
    pub window: Window,
    /// The sum of the gradients' squares, and what they are scaled by.
    norm: Span,
    clip: Span,
    scratch: Span,
    /// The number 1, which nobody writes.
    pub(super) one: Span,
    allocation: u64,
    pub(super) precision: Precision,
    /// The most shared memory that a block of the device may have, in bytes.
    pub(super) shared: usize,
    /// The device's architecture.
    pub(super) architecture: u32,
}

impl State {
    /// Copies parameters and moments to the device.
    ///
    /// # Errors
    /// If the device has too little memory, or no kernel for the optimiser's rule.
    ///
    /// # Panics
    /// If the optimiser was made for another number of parameters.
    #[track_caller]
    pub fn new(device: &mut dyn Device, params: &Params<f32>, optimizer: &Optimizer<f32>) -> Result<Self, DeviceError> {
        let (rule, _) = optimizer.settings();
        if let Rule::AdamW(_) = rule {
            let problem = format!("{rule:?} runs on the processor alone, expected Rule::Adam or Rule::Sgd");
            return Err(DeviceError::Launch { entry: "adam".to_owned(), problem });
        }
        optimizer.expect(params);
        // Each buffer begins at a multiple of 256 bytes.
        let n = params.count();
        let lengths =
            [n, n, optimizer.first.len(), optimizer.second.len(), RECORD, WINDOW, 1, 1, sum_scratch_len(n), 1];
        let mut end = 0;
        let starts = lengths.map(|len| {
            let start = end;
            end += len.next_multiple_of(64) as u64;
            start
        });
        let allocation = device.alloc(4 * end.max(1))?;
        let span = |i: usize| Span { address: allocation + 4 * starts[i], len: lengths[i] };
        let state = State {
            values: span(0),
            grads: span(1),
            first: span(2),
            second: span(3),
            window: Window { record: span(4), words: span(5) },
            norm: span(6),
            clip: span(7),
            scratch: span(8),
            one: span(9),
            allocation,
            precision: Precision::Fp32,
            shared: device.shared_bytes_per_block(),
            architecture: device.architecture(),
        };
        // A parameter that no loss depends on has a gradient of zero.
        device.zero(state.grads.address, 4 * n as u64)?;
        device.write(state.one.address, bytes_of(&[1.0_f32]))?;
        state.upload(device, params, optimizer)?;
        Ok(state)
    }

    /// The same for steps whose products compute in `precision`, for which the device has been opened.
    pub fn with_precision(self, precision: Precision) -> Self {
        State { precision, ..self }
    }

    /// An empty list for the launches of a plan on this device.
    pub(super) fn launches(&self) -> Launches {
        let &State { precision, shared, architecture, .. } = self;
        Launches { precision, shared, architecture, ..Launches::default() }
    }

    /// The same of kernels that need no clusters.
    pub(super) fn launches_without_clusters(&self) -> Launches {
        Launches { architecture: self.architecture.min(CLUSTERS_FROM - 1), ..self.launches() }
    }

    /// Gives the memory back.
    ///
    /// # Errors
    /// If the device was lost.
    pub fn free(self, device: &mut dyn Device) -> Result<(), DeviceError> {
        device.free(self.allocation)
    }

    /// Copies parameters and moments to the device.
    ///
    /// # Errors
    /// If the device was lost.
    ///
    /// # Panics
    /// If the state was made for another number of parameters, or the optimiser.
    #[track_caller]
    pub fn upload(
        &self,
        device: &mut dyn Device,
        params: &Params<f32>,
        optimizer: &Optimizer<f32>,
    ) -> Result<(), DeviceError> {
        self.expect(params, optimizer);
        self.upload_values(device, params)?;
        for (span, values) in [(self.first, &optimizer.first), (self.second, &optimizer.second)] {
            if span.len > 0 {
                device.write(span.address, bytes_of(values))?;
            }
        }
        Ok(())
    }

    /// Copies parameters alone, which were moved elsewhere.
    ///
    /// # Errors
    /// If the device was lost.
    ///
    /// # Panics
    /// If the state was made for another number of parameters.
    #[track_caller]
    pub fn upload_values(&self, device: &mut dyn Device, params: &Params<f32>) -> Result<(), DeviceError> {
        self.expect_params(params);
        match self.values.len {
            0 => Ok(()),
            _ => device.write(self.values.address, bytes_of(&params.values)),
        }
    }

    /// Panics unless the parameters have as many numbers as those that it was made of.
    #[track_caller]
    pub(super) fn expect_params(&self, params: &Params<f32>) {
        let (held, count) = (self.values.len, params.count());
        assert!(
            held == count,
            "a `State` of {held} numbers, but the parameters have {count}: make it of these `Params`"
        );
    }

    /// The same of the optimiser's moments, too.
    #[track_caller]
    fn expect(&self, params: &Params<f32>, optimizer: &Optimizer<f32>) {
        self.expect_params(params);
        optimizer.expect(params);
        let moments = (self.first.len, self.second.len);
        let found = (optimizer.first.len(), optimizer.second.len());
        assert!(
            moments == found,
            "a `State` of {moments:?} moments, but the optimiser has {found:?}: make it of this one"
        );
    }

    /// Copies parameters and moments from the device.
    ///
    /// # Errors
    /// Errors from earlier launches.
    ///
    /// # Panics
    /// If the state was made for another number of parameters, or the optimiser.
    #[track_caller]
    pub fn download(
        &self,
        device: &mut dyn Device,
        params: &mut Params<f32>,
        optimizer: &mut Optimizer<f32>,
    ) -> Result<(), DeviceError> {
        self.expect(params, optimizer);
        for (span, values) in [
            (self.values, &mut params.values),
            (self.first, &mut optimizer.first),
            (self.second, &mut optimizer.second),
        ] {
            if span.len > 0 {
                device.read(span.address, bytes_of_mut(values))?;
            }
        }
        Ok(())
    }

    /// Copies the gradients from the device.
    ///
    /// # Errors
    /// Errors from earlier launches.
    pub fn download_grads(&self, device: &mut dyn Device, params: &mut Params<f32>) -> Result<(), DeviceError> {
        device.read(self.grads.address, bytes_of_mut(&mut params.grads))
    }

    /// The launches of an update.
    ///
    /// # Panics
    /// If there is no kernel for the rule, which [`State::new`] refuses.
    pub fn update(&self, rule: Rule, clip_norm: Option<f64>) -> Vec<Launch> {
        let mut launches = Launches::default();
        let clip = clip_norm.map(|max| {
            optimizer::clip_scale(&mut launches, self.grads, max as f32, self.norm, self.clip, self.scratch);
            self.clip
        });
        let &State { values, grads, first, second, window: Window { record, .. }, .. } = self;
        match rule {
            Rule::Adam => optimizer::adam(&mut launches, clip, record, values, grads, first, second),
            Rule::AdamW(_) => panic!("{rule:?} runs on the processor alone"),
            Rule::Sgd(momentum) => {
                optimizer::sgd(&mut launches, momentum as f32, clip, record, values, grads, first);
            }
        }
        launches.list
    }
}
