//! PyTorch's numbers, and the formula for what goes in. `tests/fixtures/generate.py` wrote them and says what each field
//! means.

use std::path::Path;

use inkgrad_engine::Float;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// Reads `tests/fixtures/<name>.json`.
///
/// # Panics
/// If the file is missing or not of the expected form.
pub fn load<F: DeserializeOwned>(name: &str) -> F {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(format!("{name}.json"));
    let text = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// `ops.json`.
#[derive(Debug, Deserialize)]
pub struct Ops {
    /// Values of the formula to check against.
    pub generator: Generator,
    /// Single operations.
    pub cases: Vec<Case>,
    /// Ten steps of each optimiser.
    pub optimisers: Vec<Optimiser>,
}

/// Values of the formula, computed by the generator.
#[derive(Debug, Deserialize)]
#[expect(missing_docs, reason = "one field a rule")]
pub struct Generator {
    pub name: String,
    pub uniform: Vec<f64>,
    pub signed: SignedValues,
    pub cube: Vec<f64>,
    pub label: LabelValues,
}

/// Values drawn by [`Rule::Signed`].
#[derive(Debug, Deserialize)]
#[expect(missing_docs, reason = "the rule and its values")]
pub struct SignedValues {
    pub bound: f64,
    pub values: Vec<f64>,
}

/// Values drawn by [`Rule::Label`].
#[derive(Debug, Deserialize)]
#[expect(missing_docs, reason = "the rule and its values")]
pub struct LabelValues {
    pub classes: usize,
    pub values: Vec<f64>,
}

/// One call of one operation.
#[derive(Debug, Deserialize)]
pub struct Case {
    /// The operation's name in PyTorch.
    pub op: String,
    /// A name of its own.
    pub name: String,
    /// Kernel sizes and the like.
    pub attrs: Attributes,
    /// Inputs by argument.
    pub inputs: Vec<Input>,
    /// Outputs by name.
    pub outputs: Vec<Output>,
}

/// The attributes that some operations have.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "PyTorch's arguments")]
pub struct Attributes {
    pub kernel: usize,
    pub stride: usize,
    pub padding: usize,
    pub output_padding: usize,
    pub layers: usize,
    pub bidirectional: bool,
    pub p: f64,
    pub slope: f64,
    pub eps: f64,
    pub axis: usize,
    pub axes: Vec<usize>,
    pub shape: Vec<usize>,
    pub steps: usize,
    pub start: usize,
    pub end: usize,
    pub transposed_a: bool,
    pub transposed_b: bool,
    /// Of a loss: `sum` or `mean`.
    pub reduction: String,
    /// Of a recurrent layer: `none`, `initial` (h0 and c0 given) or `all` (and the last states looked at).
    pub state: String,
}

/// One input of a case.
#[derive(Debug, Deserialize)]
pub struct Input {
    /// The argument's name.
    pub arg: String,
    /// The name that it is drawn by.
    pub name: String,
    /// PyTorch's shape.
    pub shape: Vec<usize>,
    /// How it is drawn.
    #[serde(flatten)]
    pub rule: Rule,
    /// Its gradient, where it has one.
    pub grad: Option<Values>,
}

/// How a tensor comes from its name.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(tag = "rule", rename_all = "lowercase")]
#[expect(missing_docs, reason = "each is documented in the generator")]
pub enum Rule {
    Signed { bound: f64 },
    Cube,
    Range { low: f64, high: f64 },
    Label { classes: usize },
}

/// Values in full.
#[derive(Debug, Deserialize)]
pub struct Values {
    /// Row-major.
    pub values: Vec<f64>,
}

/// One output of a case.
#[derive(Debug, Deserialize)]
pub struct Output {
    /// Its name.
    pub name: String,
    /// PyTorch's shape.
    pub shape: Vec<usize>,
    /// The name that the weights of the loss are drawn by; 1 where there is none.
    pub weight: Option<String>,
    /// Row-major.
    pub values: Vec<f64>,
}

/// Ten steps of an optimiser on two parameters.
#[derive(Debug, Deserialize)]
pub struct Optimiser {
    /// A name of its own.
    pub name: String,
    /// Its settings.
    pub attrs: OptimiserAttributes,
    /// The parameters that it moves.
    pub params: Vec<OptimisedParam>,
}

/// An optimiser's settings.
#[derive(Debug, Deserialize)]
#[expect(missing_docs, reason = "PyTorch's arguments")]
pub struct OptimiserAttributes {
    pub kind: String,
    pub lr: f64,
    #[serde(default)]
    pub momentum: f64,
    pub max_norm: Option<f64>,
    #[serde(default)]
    pub beta1: f64,
    #[serde(default)]
    pub beta2: f64,
    #[serde(default)]
    pub eps: f64,
    #[serde(default)]
    pub weight_decay: f64,
    /// Of a moving average.
    pub decay: Option<f64>,
}

/// A parameter and what happens to it.
#[derive(Debug, Deserialize)]
pub struct OptimisedParam {
    /// The name that it is drawn by.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// The bound it is drawn with.
    pub bound: f64,
    /// Its gradient at each step.
    pub grads: Vec<Drawn>,
    /// Its values after each step.
    pub values: Vec<Vec<f64>>,
    /// Their moving averages.
    #[serde(default)]
    pub averages: Vec<Vec<f64>>,
}

/// A tensor drawn by [`Rule::Signed`].
#[derive(Debug, Deserialize)]
pub struct Drawn {
    /// The name that it is drawn by.
    pub name: String,
    /// The bound it is drawn with.
    pub bound: f64,
}

/// `<model>.json`.
#[derive(Debug, Deserialize)]
pub struct Model {
    /// Drawings of the batch.
    pub batch: usize,
    /// Numbers trained.
    pub parameters: usize,
    /// The losses before each of ten steps.
    pub steps: std::collections::BTreeMap<String, Values>,
    /// The results of the first forward.
    pub outputs: std::collections::BTreeMap<String, Sampled>,
    /// The parameters in `state_dict` order.
    pub params: Vec<ModelParam>,
}

/// A parameter of a model.
#[derive(Debug, Deserialize)]
pub struct ModelParam {
    /// PyTorch's name, which it is also drawn by.
    pub name: String,
    /// PyTorch's shape.
    pub shape: Vec<usize>,
    /// The bound it is drawn with.
    pub bound: f64,
    /// Its gradient at the first step.
    pub grad: Sampled,
    /// Its value after the last.
    pub after: Sampled,
}

/// Some elements of a tensor and two sums over all of them.
#[derive(Debug, Deserialize)]
pub struct Sampled {
    /// The Euclidean norm.
    pub l2: f64,
    /// The sum.
    pub sum: f64,
    /// Element ⌊j·n/m⌋ of n, for j < m.
    pub values: Vec<f64>,
    /// How far PyTorch's own f32 run is from these f64 values, in Euclidean norm over the whole tensor.
    pub dev_l2: f64,
}

/// Element `i` of the tensor `name`, in [0, 1).
fn uniform(name: &str) -> impl Fn(usize) -> f64 {
    let seed = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3) // FNV-1a
    });
    let start = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    move |i| {
        let mut z = start.wrapping_add((i as u64 + 1).wrapping_mul(0xbf58_476d_1ce4_e5b9));
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        (z >> 40) as f64 / (1 << 24) as f64
    }
}

/// `len` elements of the tensor `name`. Each is an `f32` exactly.
pub fn draw<T: Float>(name: &str, len: usize, rule: Rule) -> Vec<T> {
    let uniform = uniform(name);
    let value = |i| match rule {
        Rule::Signed { bound } => (2.0 * uniform(i) - 1.0) * bound,
        Rule::Cube => uniform(i) * uniform(i) * uniform(i),
        Rule::Range { low, high } => low + uniform(i) * (high - low),
        Rule::Label { classes } => (uniform(i) * classes as f64).floor(),
    };
    (0..len).map(|i| T::from_f64(f64::from(value(i) as f32))).collect()
}

/// The number of elements of a shape.
pub fn len(shape: &[usize]) -> usize {
    shape.iter().product()
}

/// The larger error, NaN being the largest.
fn worse(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() { f64::NAN } else { a.max(b) }
}

/// max |found − expected| / max |expected|; where all of `expected` is zero, max |found|.
///
/// # Panics
/// If the lengths differ.
pub fn error<T: Float>(found: &[T], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len(), "elements");
    let largest = |values: &mut dyn Iterator<Item = f64>| values.map(f64::abs).fold(0.0, worse);
    let difference = largest(&mut found.iter().zip(expected).map(|(f, e)| f.to_f64() - e));
    let scale = largest(&mut expected.iter().copied());
    if scale == 0.0 { difference } else { difference / scale }
}

/// ‖found − expected‖ / ‖expected‖; where all of `expected` is zero, ‖found‖.
///
/// # Panics
/// If the lengths differ.
pub fn error_l2<T: Float>(found: &[T], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len(), "elements");
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|x| x * x).sum::<f64>().sqrt();
    let difference = norm(&mut found.iter().zip(expected).map(|(f, e)| f.to_f64() - e));
    let scale = norm(&mut expected.iter().copied());
    if scale == 0.0 { difference } else { difference / scale }
}

impl Sampled {
    /// The elements of `values` that the fixture has.
    pub fn of<T: Float>(&self, values: &[T]) -> Vec<T> {
        let (n, m) = (values.len(), self.values.len());
        (0..m).map(|j| values[j * n / m]).collect()
    }

    /// How far `found` is from PyTorch: the largest of the samples' difference relative to `found`'s largest element,
    /// and the differences of norm and sum relative to what rounding errors of that size add up to.
    pub fn error<T: Float>(&self, found: &[T]) -> f64 {
        let values: Vec<f64> = found.iter().map(|x| x.to_f64()).collect();
        let relative = |difference: f64, scale: f64| if difference == 0.0 { 0.0 } else { difference.abs() / scale };
        let largest = values.iter().map(|x| x.abs()).fold(0.0, worse);
        let samples = self.of(&values).into_iter().zip(&self.values).map(|(f, e)| relative(f - e, largest));
        let l2 = values.iter().map(|x| x * x).sum::<f64>().sqrt();
        let sum: f64 = values.iter().sum();
        let sums = [relative(l2 - self.l2, self.l2), relative(sum - self.sum, self.l2 * (values.len() as f64).sqrt())];
        samples.chain(sums).fold(0.0, worse)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_formula_is_the_generators() {
        let Ops { generator: g, .. } = load("ops");
        // All are f32 exactly, and read to within an f64's last digit.
        let single = |values: &[f64]| values.iter().map(|&x| x as f32).collect::<Vec<f32>>();
        assert_eq!((0..8).map(|i| uniform(&g.name)(i) as f32).collect::<Vec<_>>(), single(&g.uniform));
        assert_eq!(draw::<f32>(&g.name, 8, Rule::Signed { bound: g.signed.bound }), single(&g.signed.values));
        assert_eq!(draw::<f32>(&g.name, 8, Rule::Cube), single(&g.cube));
        assert_eq!(draw::<f32>(&g.name, 8, Rule::Label { classes: g.label.classes }), single(&g.label.values));
    }

    #[test]
    fn errors_see_what_is_not_a_number() {
        assert!(error(&[f64::NAN, 1.0], &[0.0, 1.0]).is_nan() && error_l2(&[f64::NAN], &[1.0]).is_nan());
        let sampled = Sampled { l2: 1.0, sum: 1.0, values: vec![1.0], dev_l2: 0.0 };
        assert!(sampled.error(&[f64::NAN]).is_nan());
        assert_eq!(sampled.error(&[1.0]), 0.0);
    }
}
