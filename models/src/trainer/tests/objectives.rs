//! Every objective, on every device that has its operations.

use super::*;

#[test]
fn every_objective_trains_and_reports_its_terms_on_every_device_that_has_its_operations() {
    /// Options, the terms that they report, and why an emulated GPU is refused where it is.
    type Case = (&'static [(&'static str, &'static str)], &'static [&'static str], Option<&'static str>);

    let folder = tempfile::tempdir().unwrap();
    let data = few(&folder);
    let models = Models::builtin();
    let cases: [Case; 11] = [
        (&[("kl_warmup", "1:cyclic"), ("free_bits", "0.1")], &["bce", "kl", "floored_kl"], None),
        (&[("kl_warmup", "1"), ("capacity", "3")], &["bce", "kl"], None),
        (&[("objective", "iwae"), ("importance_samples", "3")], &["bce", "kl"], None),
        (&[("objective", "iwae"), ("importance_samples", "3"), ("dreg", "yes")], &["bce", "kl"], None),
        (&[("objective", "beta-tc"), ("beta", "3")], &["bce", "kl", "tc"], None),
        (&[("objective", "vamp"), ("pseudo_inputs", "6"), ("kl_warmup", "1")], &["bce", "kl"], None),
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
        for device in [config::Device::Cpu, config::Device::Emulated] {
            let path = folder.path().join(format!("{i}-{device}"));
            let config = small(&data, device, options);
            let started = Trainer::start(&models, config, &path, false);
            if let (Some(problem), config::Device::Emulated) = (refused, device) {
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
