use super::recognition::{balanced, in_turn};
use super::*;
use crate::data::{Examples, Images, PIXELS, builtin};
use crate::infer::Inference;
use crate::prelude::*;
use crate::ranks::{Ranks, Solo, threads};

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

#[test]
#[ignore = "slow"]
fn any_number_of_ranks_gives_the_same_evaluation() {
    let folder = tempfile::tempdir().unwrap();
    let (data, models) = (builtin(300, 1).unwrap(), Models::builtin());
    let options = Options { samples: 150, mapped: 40, likelihood: (3, 20), seed: 1, threads: 1 };
    for model in ["cvae", "cnn-ae", "classifier"] {
        let config = Config { classes: data.classes.clone(), ..models.defaults(model).unwrap() };
        let evaluated = |ranks: &dyn Ranks, kept: &str| {
            let kept = folder.path().join(kept);
            let (mut judge, source) =
                Judge::train_among(&data, (1, 42), 1, Some(&kept), ranks, &mut |_, _, _| {}).unwrap();
            let mut network = models.build(&config).unwrap();
            network.initialise(42);
            let subject = Subject { config: &config, inference: &mut Inference::new(network, 1), sampler: None };
            let found = evaluate_among(subject, &data, &mut judge, options, ranks, &mut |_, _, _| {}).unwrap();
            (found, judge.sha256, source)
        };
        let (expected, judge, _) = evaluated(&Solo, "alone");
        assert_eq!(expected.map.is_some(), model != "classifier");
        assert_eq!((expected.transfer.is_some(), expected.likelihood.is_some()), (model == "cvae", model == "cvae"));
        let text = serde_json::to_string(&expected).unwrap();
        for size in [1, 2, 3] {
            let found = threads::run(size, |ranks| evaluated(&ranks, &format!("judge-{model}-{size}")));
            assert_eq!(serde_json::to_string(&found[0].0).unwrap(), text, "{model}, {size} ranks");
            for (rank, (evaluation, sha256, source)) in found.into_iter().enumerate() {
                // The map is rank 0's; so is the file with the judge.
                assert_eq!(
                    Evaluation { map: expected.map.clone(), ..evaluation },
                    expected,
                    "{model}, rank {rank} of {size}"
                );
                assert_eq!(
                    (sha256, matches!(source, Source::Trained { kept: Some(_), .. })),
                    (judge.clone(), rank == 0)
                );
            }
        }
    }
}

/// Files among caches are left alone for months, on whatever disk.
#[test]
fn a_kept_judge_whose_weights_have_changed_is_trained_anew() {
    let folder = tempfile::tempdir().unwrap();
    let data = builtin(40, 1).unwrap();
    let judged = || Judge::train(&data, 1, 42, 1, Some(folder.path()), &mut |_, _, _| {}).unwrap();
    let (first, source) = judged();
    let Source::Trained { kept: Some(file), damaged: None } = source else { panic!("{source:?}") };
    let whole = std::fs::read(&file).unwrap();
    let (second, source) = judged();
    assert_eq!((second.sha256, source), (first.sha256.clone(), Source::Kept(file.clone())));
    for place in [whole.len() - 1, whole.len() - 400] {
        let mut changed = whole.clone();
        // The sign of a weight.
        changed[place] ^= 0x80;
        std::fs::write(&file, changed).unwrap();
        let (third, source) = judged();
        let again = Source::Trained { kept: Some(file.clone()), damaged: Some(file.clone()) };
        assert_eq!((third.sha256, source), (first.sha256.clone(), again));
        assert!(std::fs::read(&file).unwrap() == whole);
    }
}
