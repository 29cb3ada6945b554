//! The contents of files, read by their field numbers; with onnxruntime, their outputs too.

use std::collections::HashSet;
use std::fs;

use inkgrad_engine::nn::{Dropout, Linear};
use inkgrad_engine::op::{Backward, Forward, Op, Reads};
use inkgrad_engine::{Float, Shape};
use serde_json::json;

use super::super::tests::{WITHOUT, cases, compare_by_python};
use super::*;
use crate::model::{Encoding, Models, Spec, Training, Value};
use crate::protobuf::decode::Fields;

fn network(model: &str, options: &[(&str, Value)]) -> (Network<f32>, Config) {
    let models = Models::builtin();
    let mut config = models.defaults(model).unwrap();
    config.classes = ["cat", "dog", "hand"].map(str::to_owned).to_vec();
    for (name, value) in options {
        config.options.insert((*name).to_owned(), value.clone());
    }
    let mut network = models.build(&config).unwrap();
    network.initialise(7);
    (network, config)
}

/// The graph of a file.
fn graph_of(onnx: &Onnx) -> Fields {
    Fields::of(&onnx.bytes).messages(7).remove(0)
}

fn floats_of(tensor: &Fields) -> Vec<f32> {
    tensor.bytes(9)[0].as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect()
}

#[test]
fn files_are_what_onnx_says() {
    let parts = [Part::Encoder, Part::Decoder, Part::Whole];
    for model in ["lstm-ae", "cnn-ae", "rnn-vae", "cnn-vae", "cvae", "classifier"] {
        let (network, config) = network(model, &[]);
        for part in parts {
            if model == "classifier" && part != Part::Whole {
                let refused = onnx(&network, &config, part).unwrap_err().to_string();
                assert!(refused.contains(&format!("classifier has no {part}, expected an autoencoder")), "{refused}");
                continue;
            }
            let onnx = onnx(&network, &config, part).unwrap();
            let file = Fields::of(&onnx.bytes);
            assert_eq!((file.numbers(1), file.texts(2)), (vec![8], vec!["inkgrad".to_owned()]));
            let operators = &file.messages(8)[0];
            assert_eq!((operators.texts(1), operators.numbers(2)), (vec![String::new()], vec![17]));
            let props: Vec<(String, String)> =
                file.messages(14).iter().map(|prop| (prop.texts(1).remove(0), prop.texts(2).remove(0))).collect();
            assert!(props.contains(&("model".to_owned(), model.to_owned())), "{props:?}");
            assert!(props.contains(&("part".to_owned(), part.name().to_owned())), "{props:?}");

            // Every value is there before it is used, under a name of its own.
            let graph = graph_of(&onnx);
            let names = |field: u64| graph.messages(field).into_iter().map(|port| port.texts(1).remove(0));
            let initializers: Vec<String> = graph.messages(5).iter().map(|tensor| tensor.texts(8).remove(0)).collect();
            let mut known: HashSet<String> = HashSet::new();
            for name in names(11).chain(initializers) {
                assert!(known.insert(name.clone()), "{model} {part}: {name} twice");
            }
            for node in graph.messages(1) {
                let op = &node.texts(4)[0];
                for input in node.texts(1) {
                    assert!(input.is_empty() || known.contains(&input), "{model} {part}: {op} of `{input}`");
                }
                assert!(known.insert(node.texts(2).remove(0)), "{model} {part}: {op}");
            }
            assert!(names(12).all(|output| known.contains(&output)));
            assert_eq!(names(12).collect::<Vec<_>>(), onnx.outputs.iter().map(|o| o.0.clone()).collect::<Vec<_>>());
        }
    }
}

#[test]
fn axes_that_grow_have_names_and_others_numbers() {
    let (network, config) = network("cvae", &[("condition", Value::Text("both".to_owned()))]);
    let whole = onnx(&network, &config, Part::Whole).unwrap();
    let shape = |extents: &[&str]| extents.iter().map(|&extent| extent.to_owned()).collect::<Vec<_>>();
    let images = ("images".to_owned(), shape(&["batch", "1", "28", "28"]));
    assert_eq!(whole.inputs, [images.clone(), ("labels".to_owned(), shape(&["batch"]))]);
    assert_eq!(whole.outputs, [("reconstructions".to_owned(), images.1)]);
    // The type of labels is INT64 = 7, that of pictures FLOAT = 1.
    let types: Vec<u64> =
        graph_of(&whole).messages(11).iter().map(|port| port.messages(2)[0].messages(1)[0].numbers(1)[0]).collect();
    assert_eq!(types, [1, 7]);
    let dims = graph_of(&whole).messages(11)[0].messages(2)[0].messages(1)[0].messages(2)[0].messages(1);
    assert_eq!((dims[0].texts(2), dims[2].numbers(1)), (vec!["batch".to_owned()], vec![28]));
}

/// Pictures of one channel go through convolutions without being turned once.
#[test]
fn convolutions_take_channels_first_as_they_are() {
    let (network, config) = network("cnn-ae", &[]);
    let whole = onnx(&network, &config, Part::Whole).unwrap();
    let ops: Vec<String> = graph_of(&whole).messages(1).iter().map(|node| node.texts(4).remove(0)).collect();
    let expected = "Conv Relu Conv Relu Reshape Gemm Gemm Reshape ConvTranspose Relu ConvTranspose Sigmoid";
    assert_eq!(ops.join(" "), expected);
}

#[test]
fn gates_are_in_the_order_of_onnx() {
    for (model, weight, letters, order) in [
        ("lstm-ae", "encoder.weight_hh_l0", "iofc", &[0, 3, 1, 2][..]),
        ("rnn-vae", "encoder.gru.weight_hh_l0_reverse", "zrn", &[1, 0, 2][..]),
    ] {
        let (network, config) = network(model, &[("hidden", Value::Whole(3))]);
        let graph = graph_of(&onnx(&network, &config, Part::Encoder).unwrap());
        let name = format!("{weight}.{letters}");
        let tensors = graph.messages(5);
        let tensor = tensors.iter().find(|tensor| tensor.texts(8)[0] == name).unwrap_or_else(|| panic!("no {name}"));
        assert_eq!(tensor.numbers(1), [1, 3 * order.len() as u64, 3]);
        let param = network.params.iter().find(|param| param.name == weight).unwrap();
        let rows: Vec<&[f32]> = network.params.value(param).chunks(9).collect();
        let expected: Vec<f32> = order.iter().flat_map(|&block| rows[block].to_vec()).collect();
        assert_eq!(floats_of(tensor), expected);
        // The weights in PyTorch's order, which nothing uses, are left out.
        assert!(!tensors.iter().any(|tensor| tensor.texts(8)[0] == weight));
    }
}

/// A stranger's model: an operation of its own, or one that draws.
#[derive(Debug)]
struct Strange<const DRAWS: bool> {
    fc: Linear,
    image: crate::data::Extents,
}

#[derive(Debug)]
struct Cube;

impl<T: Float> Op<T> for Cube {
    fn name(&self) -> &'static str {
        "cube"
    }

    fn shape(&self, inputs: &[Shape]) -> inkgrad_engine::Result<Shape> {
        Ok(inputs[0])
    }

    fn reads(&self) -> Reads {
        Reads::inputs(&[0])
    }

    fn forward(&self, run: Forward<'_, T>) {
        run.y.iter_mut().zip(run.x[0]).for_each(|(y, &x)| *y = x * x * x);
    }

    fn backward(&self, _: Backward<'_, T>) {}
}

impl<const DRAWS: bool> crate::Model for Strange<DRAWS> {
    const NAME: &'static str = "strange";
    const SUMMARY: &'static str = "of its own";

    fn build<T: Float>(config: &Config, params: &mut Params<T>) -> Result<Self> {
        Ok(Strange { fc: Linear::new(params, "fc", config.image.len(), 4), image: config.image })
    }

    fn training<T: Float>(&self, tape: &mut inkgrad_engine::Tape<T>, batch: usize) -> Result<Training> {
        let Encoding { images, mu, .. } = self.encoding(tape, batch)?.expect("an encoder");
        let loss = tape.sum(mu)?;
        Ok(Training::sum(images, loss, batch))
    }

    fn encoding<T: Float>(&self, tape: &mut inkgrad_engine::Tape<T>, batch: usize) -> Result<Option<Encoding>> {
        let images = tape.input("images", self.image.batch(batch));
        let x = tape.flatten(images);
        let x = self.fc.forward(tape, x)?;
        let mu = if DRAWS { Dropout::new(0.5).forward_training(tape, x)? } else { tape.record(Cube, &[x])? };
        Ok(Some(Encoding { images, labels: None, mu, logvar: None }))
    }
}

#[test]
fn operations_without_a_form_are_named() {
    let config = Config { image: crate::data::Extents::DRAWING, ..Config::defaults(&Spec::of::<Strange<false>>()) };
    let refused = |spec: Spec| {
        let network = Network::new(spec, &config).unwrap();
        onnx(&network, &config, Part::Encoder).unwrap_err().to_string()
    };
    let found = refused(Spec::of::<Strange<false>>());
    assert!(found.starts_with("onnx: operation `cube` has no ONNX form, expected"), "{found}");
    let found = refused(Spec::of::<Strange<true>>());
    assert!(found.starts_with("onnx: operation `dropout` draws at random, expected"), "{found}");
    let network = Network::new(Spec::of::<Strange<false>>(), &config).unwrap();
    let found = onnx(&network, &config, Part::Decoder).unwrap_err().to_string();
    assert!(found.contains("strange has no decoder"), "{found}");
    assert_eq!(WITHOUT, ["dropout", "frozen_conv2d"]);
}

#[test]
fn weights_that_are_no_numbers_are_named() {
    let (mut network, config) = network("cnn-ae", &[]);
    let param = network.list().remove(3);
    network.params.value_mut(&param)[2] = f32::NAN;
    let found = onnx(&network, &config, Part::Decoder).unwrap_err().to_string();
    assert_eq!(found, format!("{}: holds NaN, expected finite numbers alone", param.name));
}

#[test]
fn every_operation_gives_what_the_engine_gives() {
    let folder = tempfile::tempdir().unwrap();
    let mut given = Vec::new();
    for (i, case) in cases().into_iter().enumerate() {
        let path = folder.path().join(format!("{i}.onnx"));
        let found = file(&case.graph, &Params::new(), &case.label, "", &[])
            .unwrap_or_else(|error| panic!("{}: {error}", case.label));
        fs::write(&path, found.bytes).unwrap();
        let mut values = case.values;
        (values["label"], values["path"]) = (json!(case.label), json!(path));
        given.push(values);
    }
    let program = r#"
def run(case, inputs):
    model = onnx.load(case["path"])
    onnx.checker.check_model(model, full_check=True)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(case["path"], options, providers=["CPUExecutionProvider"])
    return session.run(None, {port.name: inputs[port.name] for port in session.get_inputs()})[0]
"#;
    compare_by_python("onnx, onnxruntime", program, &given);
}
