//! Every objective, on every device that has its operations, and after interruptions.

use super::*;

#[test]
#[ignore = "slow"]
fn every_objective_trains_and_reports_its_terms_on_every_device_that_has_its_operations() {
    /// Options, the terms that they report, and why an emulated GPU is refused where it is.
    type Case = (&'static [(&'static str, &'static str)], &'static [&'static str], Option<&'static str>);

    let folder = tempfile::tempdir().unwrap();
    let data = few(&folder);
    let models = Models::builtin();
    let cases: [Case; 12] = [
        (&[("kl_warmup", "1:cyclic"), ("free_bits", "0.1")], &["bce", "kl", "floored_kl"], None),
        (&[("kl_warmup", "1"), ("capacity", "3")], &["bce", "kl"], None),
        (&[("objective", "iwae"), ("importance_samples", "3")], &["bce", "kl"], None),
        (&[("objective", "iwae"), ("importance_samples", "3"), ("dreg", "yes")], &["bce", "kl"], None),
        (&[("objective", "beta-tc"), ("beta", "3")], &["bce", "kl", "tc"], None),
        (&[("objective", "vamp"), ("pseudo_inputs", "6"), ("kl_warmup", "1")], &["bce", "kl"], None),
        (
            &[("objective", "ladder"), ("top_latent", "4"), ("free_bits", "0.1")],
            &["bce", "kl", "top_kl", "floored_kl"],
            None,
        ),
        (&[("likelihood", "gaussian")], &["nll", "kl"], None),
        (&[("objective", "iwae"), ("likelihood", "gaussian")], &["nll", "kl"], None),
        (
            &[("objective", "wae-mmd"), ("beta", "10")],
            &["bce", "kl", "mmd"],
            Some(
                "--device: emulated with the objective wae-mmd, whose operation div has no kernels for a GPU, expected cpu",
            ),
        ),
        (&[("likelihood", "continuous-bernoulli")], &["nll", "kl"], None),
        (
            &[("objective", "vq"), ("latent", "6"), ("codes", "6"), ("code_width", "2"), ("beta", "0.25")],
            &["bce", "commitment", "perplexity"],
            Some(
                "--device: emulated with the objective vq, whose operation div has no kernels for a GPU, expected cpu",
            ),
        ),
    ];
    for (i, (options, terms, refused)) in cases.into_iter().enumerate() {
        let mut losses = Vec::new();
        for device in [config::DeviceKind::Cpu, config::DeviceKind::Emulated] {
            let path = folder.path().join(format!("{i}-{device}"));
            let config = small(&data, device, options);
            let started = Trainer::start(&models, config, &path, false);
            if let (Some(problem), config::DeviceKind::Emulated) = (refused, device) {
                assert_eq!(started.err().unwrap().to_string(), problem);
                assert!(!path.exists());
                continue;
            }
            let (mut trainer, _) = started.unwrap();
            assert_eq!(trainer.run(&mut ()).unwrap(), Outcome::Finished, "{options:?}");
            let records = crate::run::records::read(trainer.folder().metrics()).unwrap();
            for record in &records {
                let names: Vec<&str> = record.terms.0.iter().map(|(name, _)| name.as_str()).collect();
                assert_eq!(names, terms, "{options:?}");
            }
            losses.push(records.iter().map(|record| record.loss).collect::<Vec<_>>());
        }
        // Of the first two steps: later ones drift apart, since Adam goes a whole step by the sign of a gradient near zero.
        if let [cpu, device] = &losses[..] {
            assert!((cpu[0] / device[0] - 1.0).abs() < 1e-5, "{options:?}: {cpu:?}, {device:?}");
        }
    }
}

#[test]
#[ignore = "slow"]
fn a_weight_that_rises_goes_on_bit_for_bit_after_an_interruption() {
    let folder = tempfile::tempdir().unwrap();
    let data = few(&folder);
    let models = Models::builtin();
    for device in [config::DeviceKind::Cpu, config::DeviceKind::Emulated] {
        let run = |name: &str, steps, options: &[(&str, &str)]| {
            let path = folder.path().join(format!("{name}-{device}"));
            let config = Config { steps: Some(steps), ..small(&data, device, options) };
            Trainer::start(&models, config, &path, false).unwrap().0.run(&mut ()).unwrap();
            path
        };
        let rising = [("kl_warmup", "0.5:linear"), ("beta", "4")];
        let (whole, parts) = (run("whole", 4, &rising), run("parts", 3, &rising));
        Trainer::resume(&models, &parts, &Overrides { steps: Some(4), ..Overrides::default() })
            .unwrap()
            .run(&mut ())
            .unwrap();
        let read = |path: &Path| std::fs::read(path.join("model.safetensors")).unwrap();
        assert!(read(&parts) == read(&whole), "{device}");
        // The weight is heeded, and it rises.
        let (full, slow) = (run("full", 4, &[("beta", "4")]), run("slow", 4, &[("kl_warmup", "200"), ("beta", "4")]));
        assert!(read(&full) != read(&whole) && read(&slow) != read(&whole), "{device}");
        let kl = |path: &Path| {
            let records = crate::run::records::read(path.join("metrics.jsonl")).unwrap();
            records.last().unwrap().term("kl").unwrap()
        };
        assert!(kl(&slow) > kl(&whole) && kl(&whole) > kl(&full), "{device}");
        // Of steps, the loss is that of their weights; of test drawings, that of the end.
        let records = crate::run::records::read(slow.join("metrics.jsonl")).unwrap();
        let apart = |record: &Record| record.loss - record.term("bce").unwrap() - 4.0 * record.term("kl").unwrap();
        let of = |split| records.iter().rfind(|record| record.split == split).unwrap();
        assert!(apart(of(Split::Test)).abs() < 1e-3 && apart(of(Split::Train)) < -1e-3, "{device}: {records:?}");
    }
}

#[test]
fn a_prior_that_is_learnt_moves_and_goes_on_bit_for_bit() {
    let folder = tempfile::tempdir().unwrap();
    let data = data(&folder);
    let models = Models::builtin();
    let options = [("objective", "vamp"), ("pseudo_inputs", "5")];
    let run = |name: &str, steps| {
        let path = folder.path().join(name);
        let config = Config { steps: Some(steps), ..small(&data, config::DeviceKind::Cpu, &options) };
        Trainer::start(&models, config, &path, false).unwrap().0.run(&mut ()).unwrap();
        path
    };
    let (whole, parts) = (run("whole", 5), run("parts", 2));
    let longer = Overrides { steps: Some(5), ..Overrides::default() };
    Trainer::resume(&models, &parts, &longer).unwrap().run(&mut ()).unwrap();
    let read = |path: &Path| std::fs::read(path.join("model.safetensors")).unwrap();
    assert!(read(&whole) == read(&parts));
    // Pseudo-inputs are trained.
    let trained = |path: &Path| {
        let (_, _, network) = load_network(&models, path).unwrap();
        let param = network.list().into_iter().find(|param| param.name == "pseudo_inputs").unwrap();
        network.params.value(&param).to_vec()
    };
    let (now, before) = (trained(&whole), trained(&run("short", 1)));
    let moved = now.iter().zip(&before).filter(|(now, before)| now != before).count();
    assert!(now.len() == before.len() && moved > now.len() / 2, "{moved} of {}", now.len());
}
