//! In which orders of axes each value of a graph is there already: convolutions of other programs have channels first and their
//! recurrent layers time, and a value is turned only where somebody wants it otherwise.

/// A value under a name, its axes in an order: axis i of what is called `name` is axis `axes[i]` of the value.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Form {
    pub(super) axes: Vec<usize>,
    pub(super) name: String,
}

/// The forms of each value, the first one made first.
#[derive(Debug, Default)]
pub(super) struct Layouts(Vec<Vec<Form>>);

impl Layouts {
    pub(super) fn new(nodes: usize) -> Self {
        Layouts(vec![Vec::new(); nodes])
    }

    /// Adds a form of a value.
    pub(super) fn add(&mut self, node: usize, axes: Vec<usize>, name: String) {
        self.0[node].push(Form { axes, name });
    }

    /// The forms of a value.
    pub(super) fn of(&self, node: usize) -> &[Form] {
        &self.0[node]
    }

    /// The value in this order, if it is there.
    pub(super) fn get(&self, node: usize, axes: &[usize]) -> Option<&Form> {
        self.0[node].iter().find(|form| form.axes == axes)
    }

    /// Calls a value's forms of the name `from` by the name `to`.
    pub(super) fn rename(&mut self, node: usize, from: &str, to: &str) {
        self.0[node].iter_mut().filter(|form| form.name == from).for_each(|form| to.clone_into(&mut form.name));
    }
}

impl Form {
    /// The order in which this form's axes make those of a form with `axes`.
    pub(super) fn turn_to(&self, axes: &[usize]) -> Vec<usize> {
        axes.iter().map(|axis| position(&self.axes, *axis)).collect()
    }

    /// Where the value's axis is in this form.
    pub(super) fn axis(&self, axis: usize) -> usize {
        position(&self.axes, axis)
    }

    /// The same elements as a form of the value whose axis i is this one's axis `permutation[i]`.
    pub(super) fn permuted(&self, permutation: &[usize]) -> Form {
        let axes = self.axes.iter().map(|axis| position(permutation, *axis)).collect();
        Form { axes, name: self.name.clone() }
    }
}

fn position(axes: &[usize], axis: usize) -> usize {
    axes.iter().position(|&found| found == axis).expect("each axis once")
}

/// The axes as they are.
pub(super) fn identity(rank: usize) -> Vec<usize> {
    (0..rank).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_lead_to_each_other() {
        // x: (B, H, W, C) is there as (B, C, H, W).
        let form = Form { axes: vec![0, 3, 1, 2], name: "x".to_owned() };
        assert_eq!(form.turn_to(&identity(4)), [0, 2, 3, 1]);
        assert_eq!((form.axis(3), form.axis(1)), (1, 2));
        // y = x with channels first is the same thing as it lies.
        assert_eq!(form.permuted(&[0, 3, 1, 2]).axes, identity(4));
        // y[i, j, k] = x[k, i, j], there as x[j, i, k], that is y[…].
        let form = Form { axes: vec![1, 0, 2], name: "x".to_owned() };
        assert_eq!(form.permuted(&[2, 0, 1]).axes, [2, 1, 0]);
    }
}
