//! InceptionV3's graph (Szegedy et al., "Rethinking the Inception architecture", 2015), for inference: batch norm is folded
//! into the convolutions before it.

use std::collections::BTreeMap;
use std::sync::Arc;

use inkgrad_engine::ops::{Conv, Filter, Frozen, Window};
use inkgrad_engine::{Param, Result, Tape, Tensor};

use super::Variant;

/// A convolution's place in the network: the name of its block, its channels, kernel, stride and padding.
#[derive(Debug, Clone)]
pub(super) struct Layer {
    pub(super) name: String,
    pub(super) filter: Filter,
}

/// Every convolution with its weights, by its name.
pub(super) type Layers = BTreeMap<String, Arc<Frozen<f32>>>;

/// The builder of the graph: either lists the layers that it would use, or records them.
pub(super) trait Builder {
    /// A picture with channels.
    type Value: Copy;
    /// A convolution with batch norm and ReLU.
    fn conv(&mut self, x: Self::Value, name: String, filter: Filter) -> Result<Self::Value>;
    fn average(&mut self, x: Self::Value, window: Window, count_padding: bool) -> Result<Self::Value>;
    fn max(&mut self, x: Self::Value, window: Window) -> Result<Self::Value>;
    fn concat(&mut self, parts: &[Self::Value]) -> Result<Self::Value>;
    fn channels(&self, x: Self::Value) -> usize;
}

/// Lists layers; a value is its number of channels.
#[derive(Debug, Default)]
pub(super) struct Listing(pub(super) Vec<Layer>);

impl Builder for Listing {
    type Value = usize;
    fn conv(&mut self, _: usize, name: String, filter: Filter) -> Result<usize> {
        self.0.push(Layer { name, filter });
        Ok(filter.outputs)
    }
    fn average(&mut self, x: usize, _: Window, _: bool) -> Result<usize> {
        Ok(x)
    }
    fn max(&mut self, x: usize, _: Window) -> Result<usize> {
        Ok(x)
    }
    fn concat(&mut self, parts: &[usize]) -> Result<usize> {
        Ok(parts.iter().sum())
    }
    fn channels(&self, x: usize) -> usize {
        x
    }
}

/// Channels of a picture in colour; no layer but the first has as many inputs.
pub(super) const COLOURS: usize = 3;

/// The first layer for pictures in colour, as a parameter.
pub(super) const COLOUR: &str = "colour";
/// The last product, as a parameter.
pub(super) const LAST: &str = "fc";

/// Weights and bias of each layer as parameters, which a device holds: constants of operations are the processor's.
pub(super) type Declared = BTreeMap<String, [Param; 2]>;

/// Records layers on a tape.
#[derive(Debug)]
pub(super) struct Recording<'a> {
    pub(super) tape: &'a mut Tape<f32>,
    pub(super) layers: &'a Layers,
    /// The first layer for pictures in colour.
    pub(super) colour: &'a Arc<Frozen<f32>>,
    /// For a device.
    pub(super) declared: Option<&'a Declared>,
}

impl Recording<'_> {
    /// A convolution with weights that stay, for a device with those that it holds by this name.
    pub(super) fn with(&mut self, x: Tensor, name: &str, weights: &Arc<Frozen<f32>>) -> Result<Tensor> {
        let Some(declared) = self.declared else { return self.tape.frozen_conv2d(x, weights) };
        let &Filter { stride, padding, relu, .. } = weights.filter();
        let [w, bias] = &declared[name];
        let (w, bias) = (self.tape.param(w), self.tape.param(bias));
        self.tape.conv2d(x, w, bias, Conv { stride, padding, relu })
    }
}

impl Builder for Recording<'_> {
    type Value = Tensor;
    fn conv(&mut self, x: Tensor, name: String, filter: Filter) -> Result<Tensor> {
        match filter.inputs {
            COLOURS => self.with(x, COLOUR, self.colour),
            _ => self.with(x, &name, &self.layers[&name]),
        }
    }
    fn average(&mut self, x: Tensor, window: Window, count_padding: bool) -> Result<Tensor> {
        self.tape.avg_pool2d(x, window, count_padding)
    }
    fn max(&mut self, x: Tensor, window: Window) -> Result<Tensor> {
        self.tape.max_pool2d(x, window)
    }
    fn concat(&mut self, parts: &[Tensor]) -> Result<Tensor> {
        self.tape.concat_all(parts)
    }
    fn channels(&self, x: Tensor) -> usize {
        self.tape.shape(x).last()
    }
}

/// 3×3 at stride 2, without padding.
const REDUCTION: Window = Window { kernel: (3, 3), stride: (2, 2), padding: (0, 0) };
/// 3×3 that keeps a picture's size.
const SAME: Window = Window { kernel: (3, 3), stride: (1, 1), padding: (1, 1) };

/// A graph being built.
pub(super) struct Graph<'a, B> {
    pub(super) builder: &'a mut B,
    pub(super) variant: Variant,
}

impl<B: Builder> Graph<'_, B> {
    /// From pictures `(B, 299, 299, 1)`, or 3 for 1, to `(B, 8, 8, 2048)`.
    pub(super) fn body(&mut self, x: B::Value) -> Result<B::Value> {
        let x = self.conv(x, "Conv2d_1a_3x3", 32, (3, 3), 2, (0, 0))?;
        let x = self.conv(x, "Conv2d_2a_3x3", 32, (3, 3), 1, (0, 0))?;
        let x = self.conv(x, "Conv2d_2b_3x3", 64, (3, 3), 1, (1, 1))?;
        let x = self.builder.max(x, REDUCTION)?;
        let x = self.conv(x, "Conv2d_3b_1x1", 80, (1, 1), 1, (0, 0))?;
        let x = self.conv(x, "Conv2d_4a_3x3", 192, (3, 3), 1, (0, 0))?;
        let mut x = self.builder.max(x, REDUCTION)?;
        for (name, pool) in [("Mixed_5b", 32), ("Mixed_5c", 64), ("Mixed_5d", 64)] {
            x = self.block_a(x, name, pool)?;
        }
        x = self.block_b(x, "Mixed_6a")?;
        for (name, c7) in [("Mixed_6b", 128), ("Mixed_6c", 160), ("Mixed_6d", 160), ("Mixed_6e", 192)] {
            x = self.block_c(x, name, c7)?;
        }
        x = self.block_d(x, "Mixed_7a")?;
        x = self.block_e(x, "Mixed_7b", false)?;
        self.block_e(x, "Mixed_7c", self.variant == Variant::Fid)
    }

    fn conv(
        &mut self,
        x: B::Value,
        name: &str,
        outputs: usize,
        kernel: (usize, usize),
        stride: usize,
        padding: (usize, usize),
    ) -> Result<B::Value> {
        let inputs = self.builder.channels(x);
        let filter = Filter { inputs, outputs, kernel, stride: (stride, stride), padding, relu: true };
        self.builder.conv(x, name.to_owned(), filter)
    }

    /// Convolutions one after the other that keep a picture's size: `(branch, outputs, kernel)`.
    fn chain(&mut self, mut x: B::Value, block: &str, steps: &[(&str, usize, (usize, usize))]) -> Result<B::Value> {
        for &(branch, outputs, kernel) in steps {
            x = self.conv(x, &format!("{block}.{branch}"), outputs, kernel, 1, (kernel.0 / 2, kernel.1 / 2))?;
        }
        Ok(x)
    }

    /// A pooling at stride 1, followed by a 1×1 convolution.
    fn pool_branch(&mut self, x: B::Value, block: &str, outputs: usize, max: bool) -> Result<B::Value> {
        let x = if max {
            self.builder.max(x, SAME)?
        } else {
            self.builder.average(x, SAME, self.variant == Variant::Torchvision)?
        };
        self.chain(x, block, &[("branch_pool", outputs, (1, 1))])
    }

    /// 35×35 pixels.
    fn block_a(&mut self, x: B::Value, name: &str, pool: usize) -> Result<B::Value> {
        let parts = [
            self.chain(x, name, &[("branch1x1", 64, (1, 1))])?,
            self.chain(x, name, &[("branch5x5_1", 48, (1, 1)), ("branch5x5_2", 64, (5, 5))])?,
            self.chain(
                x,
                name,
                &[("branch3x3dbl_1", 64, (1, 1)), ("branch3x3dbl_2", 96, (3, 3)), ("branch3x3dbl_3", 96, (3, 3))],
            )?,
            self.pool_branch(x, name, pool, false)?,
        ];
        self.builder.concat(&parts)
    }

    /// From 35×35 to 17×17 pixels.
    fn block_b(&mut self, x: B::Value, name: &str) -> Result<B::Value> {
        let double = self.chain(x, name, &[("branch3x3dbl_1", 64, (1, 1)), ("branch3x3dbl_2", 96, (3, 3))])?;
        let parts = [
            self.conv(x, &format!("{name}.branch3x3"), 384, (3, 3), 2, (0, 0))?,
            self.conv(double, &format!("{name}.branch3x3dbl_3"), 96, (3, 3), 2, (0, 0))?,
            self.builder.max(x, REDUCTION)?,
        ];
        self.builder.concat(&parts)
    }

    /// 17×17 pixels, 7×7 kernels as 1×7 and 7×1.
    fn block_c(&mut self, x: B::Value, name: &str, c7: usize) -> Result<B::Value> {
        let parts = [
            self.chain(x, name, &[("branch1x1", 192, (1, 1))])?,
            self.chain(
                x,
                name,
                &[("branch7x7_1", c7, (1, 1)), ("branch7x7_2", c7, (1, 7)), ("branch7x7_3", 192, (7, 1))],
            )?,
            self.chain(
                x,
                name,
                &[
                    ("branch7x7dbl_1", c7, (1, 1)),
                    ("branch7x7dbl_2", c7, (7, 1)),
                    ("branch7x7dbl_3", c7, (1, 7)),
                    ("branch7x7dbl_4", c7, (7, 1)),
                    ("branch7x7dbl_5", 192, (1, 7)),
                ],
            )?,
            self.pool_branch(x, name, 192, false)?,
        ];
        self.builder.concat(&parts)
    }

    /// From 17×17 to 8×8 pixels.
    fn block_d(&mut self, x: B::Value, name: &str) -> Result<B::Value> {
        let three = self.chain(x, name, &[("branch3x3_1", 192, (1, 1))])?;
        let seven = self.chain(
            x,
            name,
            &[("branch7x7x3_1", 192, (1, 1)), ("branch7x7x3_2", 192, (1, 7)), ("branch7x7x3_3", 192, (7, 1))],
        )?;
        let parts = [
            self.conv(three, &format!("{name}.branch3x3_2"), 320, (3, 3), 2, (0, 0))?,
            self.conv(seven, &format!("{name}.branch7x7x3_4"), 192, (3, 3), 2, (0, 0))?,
            self.builder.max(x, REDUCTION)?,
        ];
        self.builder.concat(&parts)
    }

    /// 8×8 pixels, branches that end in 1×3 and 3×1 side by side.
    fn block_e(&mut self, x: B::Value, name: &str, max: bool) -> Result<B::Value> {
        let one = self.chain(x, name, &[("branch1x1", 320, (1, 1))])?;
        let three = self.chain(x, name, &[("branch3x3_1", 384, (1, 1))])?;
        let double = self.chain(x, name, &[("branch3x3dbl_1", 448, (1, 1)), ("branch3x3dbl_2", 384, (3, 3))])?;
        let parts = [
            one,
            self.chain(three, name, &[("branch3x3_2a", 384, (1, 3))])?,
            self.chain(three, name, &[("branch3x3_2b", 384, (3, 1))])?,
            self.chain(double, name, &[("branch3x3dbl_3a", 384, (1, 3))])?,
            self.chain(double, name, &[("branch3x3dbl_3b", 384, (3, 1))])?,
            self.pool_branch(x, name, 192, max)?,
        ];
        self.builder.concat(&parts)
    }
}
