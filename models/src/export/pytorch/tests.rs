//! The text of modules; with PyTorch, their outputs too.

use serde_json::json;

use super::super::tests::{cases, compare_by_python};
use super::*;
use crate::model::{Models, Value};

fn exported(model: &str, options: &[(&str, Value)]) -> String {
    let models = Models::builtin();
    let mut config = models.defaults(model).unwrap();
    for (name, value) in options {
        config.options.insert((*name).to_owned(), value.clone());
    }
    pytorch(&models.build(&config).unwrap(), &config, "net.safetensors").unwrap()
}

#[test]
fn layers_are_modules_under_their_names() {
    let text = exported("cnn-vae", &[]);
    for line in [
        "class CnnVae(nn.Module):",
        "        self.encoder = nn.Module()",
        "        self.encoder.conv1 = nn.Conv2d(1, 32, 3, stride=2, padding=1)",
        "        self.decoder.deconv1 = nn.ConvTranspose2d(128, 64, 4, stride=2, padding=1)",
        "        h1 = F.relu(self.encoder.conv1(images))  # (B, 32, 14, 14)",
        "        return self.decode(self.encode(images)[0])",
        "def load(path=Path(__file__).with_name(\"net.safetensors\"), device=\"cpu\"):",
    ] {
        assert!(text.lines().any(|found| found == line), "no `{line}` in\n{text}");
    }
    // Convolutions have channels first here: nothing is turned.
    assert!(!text.contains("permute"), "{text}");
    let text = exported("lstm-ae", &[("bidirectional", Value::Flag(true))]);
    assert!(
        text.contains("self.encoder = nn.LSTM(28, 128, num_layers=2, bidirectional=True, batch_first=True)"),
        "{text}"
    );
    assert!(!text.contains("nn.Parameter"), "{text}");
    let text = exported("cnn-ae", &[]);
    assert!(text.contains("self.encoder.encoder[\"2\"] = nn.Conv2d(16, 32, 3, stride=2, padding=1)"), "{text}");
}

#[test]
fn parameters_that_stand_alone_are_declared() {
    let mut modules = Modules::new([("a.gain", &[2, 3][..]), ("b.1.weight", &[4]), ("b.1.bias", &[4])].into_iter());
    assert_eq!(modules.layer(&[("weight", "b.1.weight")], "nn.X()"), None, "a bias is left over");
    assert_eq!(modules.layer(&[("weight", "b.1.weight"), ("bias", "b.1.bias")], "nn.X()").unwrap(), "self.b[\"1\"]");
    let expected = [
        "self.a = nn.Module()",
        "self.a.gain = nn.Parameter(torch.empty((2, 3)))",
        "self.b = nn.ModuleDict()",
        "self.b[\"1\"] = nn.X()",
    ];
    assert_eq!(modules.declared().unwrap(), expected);
    for (name, said) in [("train.weight", "that modules of PyTorch have"), ("0.weight", "that is no word of Python")] {
        let refused = Modules::new([(name, &[1][..])].into_iter()).declared().unwrap_err().to_string();
        assert!(refused.contains(said), "{refused}");
    }
}

#[test]
fn names_are_those_of_python() {
    assert_eq!(["cnn-vae", "my_own net", "3d", "é"].map(class_name), ["CnnVae", "MyOwnNet", "Network3d", "Network"]);
    assert_eq!(list(&["a\"b".to_owned(), "c\n".to_owned()]), r#"["a\"b", "c\n"]"#);
    assert_eq!(comment("\"\"\" \\ \n"), "''' ' '");
}

#[test]
fn every_operation_gives_what_the_engine_gives() {
    let mut given = Vec::new();
    for case in cases() {
        let mut modules = Modules::new(std::iter::empty());
        let written = Method::new(&case.graph, &mut modules).written("run", "");
        let recurrent = ["lstm ", "gru "].iter().any(|name| case.label.starts_with(name));
        let code = match written {
            // Their weights are no parameters here, so that no module has them.
            Err(error) if recurrent => {
                assert!(error.to_string().contains("is none of a whole stack of layers"), "{error}");
                continue;
            }
            written => written.unwrap_or_else(|error| panic!("{}: {error}", case.label)),
        };
        let mut values = case.values;
        (values["label"], values["code"]) = (json!(case.label), json!(code));
        given.push(values);
    }
    assert!(given.len() > 200, "{}", given.len());
    let program = r#"
import torch.nn.functional as F

def run(case, inputs):
    names = {"torch": torch, "F": F}
    exec("class Case:\n" + case["code"], names)
    return names["Case"]().run(**{name: torch.from_numpy(x) for name, x in inputs.items()}).numpy()
"#;
    compare_by_python("torch", program, &given);
}
