use super::recognition::{balanced, in_turn};
use super::*;
use crate::data::{Examples, Images, PIXELS};

#[test]
fn verdicts_are_counted_by_class() {
    let logits = [2.0, 0.0, 0.0, 1.0, 0.0, 3.0];
    let names = ["a", "b", "none"].map(str::to_owned);
    let found = Recognition::new(&logits, &[0, 0, 1], &names[..2]).unwrap();
    let of = |at: usize| found.classes[at].verdict.unwrap();
    assert_eq!((of(0).n, of(0).accuracy, of(1).n, of(1).accuracy), (2, 0.5, 1, 1.0));
    assert_eq!((found.all.n, found.all.accuracy), (3, 2.0 / 3.0));

    let rows = [[2.0, 0.0, 0.0], [0.0, 1.0, 0.0], [3.0, 1.0, 0.0]].concat();
    let found = Recognition::unasked(&rows, &names).unwrap();
    let numbers: Vec<usize> = found.classes.iter().map(|class| class.verdict.map_or(0, |verdict| verdict.n)).collect();
    assert_eq!((numbers, found.all.accuracy), (vec![2, 1, 0], 1.0));
}

#[test]
fn classes_take_turns_as_long_as_they_last() {
    let labels = [0, 0, 0, 1, 1, 0];
    assert_eq!(in_turn(&labels, 5, 2), [0, 3, 1, 4, 2]);
    assert_eq!(in_turn(&labels, 9, 3), [0, 3, 1, 4, 2, 5]);
    let pixels = (0..6).flat_map(|i| [i as u8; PIXELS]).collect();
    let split = balanced(&Examples { images: Images::from_u8(pixels), labels: labels.to_vec() }, 2, 2);
    assert_eq!((split.labels, split.images.image(1)[0]), (vec![0, 1], 3.0 / 255.0));
}
