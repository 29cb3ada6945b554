//! Where results may go: never in the place of a run's or a data set's files, of an input, or of each other.

use std::fs;

use crate::Place;

/// Runs commands, their words apart by spaces, each of which has to be refused with `part` in its line.
fn each_refused(place: &Place, commands: &[&str], part: &str) {
    for command in commands {
        place.refused(&command.split(' ').collect::<Vec<_>>(), &[part]);
    }
}

#[test]
fn no_option_gives_up_the_files_of_a_run_or_a_data_set() {
    let place = Place::with_run();
    let commands = [
        "explain --run vae --out vae/model.safetensors --force",
        "sample --run vae --n 2 --out d/train_images.npy",
        "emulate axpy --trace --html vae/metrics.jsonl --force",
        "report vae --out vae/config.toml --force",
        "explain --run vae --out vae/.lock --force",
        "sample --run vae --n 2 --out vae/state.safetensors",
        "sample --run vae --n 2 --out s.npy --png vae/samples.png",
        "sample --run vae --n 2 --out s.npy --png vae/loss.png",
        "export --run vae --out vae/best.safetensors",
    ];
    each_refused(&place, &commands, "belongs to a run or a data set, expected a new name");
}

#[test]
fn each_result_has_a_place_of_its_own() {
    let place = Place::with_run();
    let commands = [
        "sample --run vae --n 3 --out g --png ./g",
        "encode --run vae --images d/test_images.npy --out z.npy --logvar z.npy",
        "traverse --run vae --png t --out t",
        "reconstruct --run vae --images d/test_images.npy --out r --png r",
    ];
    each_refused(&place, &commands, "is the place of two results");
    place.refused(
        &["encode", "--run", "vae", "--images", "d/test_images.npy", "--out", "z.npy", "--logvar", "d/test_images.npy"],
        &["d/test_images.npy"],
    );
}

#[test]
#[ignore = "slow"]
fn a_run_among_pictures_is_no_class_of_them() {
    let place = Place::with_run();
    for class in ["cat", "dog"] {
        fs::create_dir_all(place.path(&format!("photos/{class}"))).unwrap();
        for i in 0..4 {
            let seed = i.to_string();
            let png = format!("photos/{class}/{i}.png");
            place.ok(&["sample", "--run", "vae", "--n", "1", "--seed", &seed, "--out", "s.npy", "--png", &png]);
        }
    }
    let train = ["train", "cnn-vae", "--data", "photos", "--resize", "28", "--batch-size", "4", "--epochs", "1"];
    place.ok(&[&train[..], &["--out", "photos/run"]].concat());
    place.ok(&["train", "--resume", "photos/run", "--epochs", "2"]);
    let classes = &place.json(&["data", "info", "photos", "--resize", "28"])["classes"];
    assert!(classes.to_string().contains("dog") && !classes.to_string().contains("run"), "{classes}");
}

#[test]
fn what_never_ends_is_not_read() {
    let place = Place::with_run();
    let commands = [
        "train --config /dev/zero --out q",
        "sweep /dev/zero --out q",
        "emulate axpy --ptx /dev/zero",
        "train classifier --data d --init /dev/zero --out q",
    ];
    each_refused(&place, &commands, "/dev/zero: not a file");
}

#[test]
fn a_name_that_says_another_kind_of_file_is_refused() {
    let place = Place::with_run();
    for (command, expected) in [
        ("sample --run vae --n 2 --out s.npy --png g.jpg", "expected a name that ends in .png"),
        ("sample --run vae --n 2 --out g.png", "expected a name that ends in .npy"),
        ("evaluate --run vae --out e.npy", "expected a name that ends in .json"),
        ("runs . --csv r.json", "expected a name that ends in .csv"),
        ("train cnn-ae --data d --lr-find=x.npy", "expected a name that ends in .png"),
        ("export --run vae --out x.pth", "another format's ending, expected .safetensors"),
        ("export --run vae --out x.py", "another format's ending, expected .safetensors"),
        ("export --run vae --format onnx --out x.safetensors", "another format's ending, expected .onnx"),
        ("explain --run vae --out p.npy", "expected a name that ends in .html"),
        ("report vae --out r.png", "expected a name that ends in .html"),
        ("sample --run vae --n 2 --out g.html", "expected a name that ends in .npy"),
    ] {
        each_refused(&place, &[command], expected);
    }
    place.ok(&["sample", "--run", "vae", "--n", "2", "--out", "drawn", "--png", "G.PNG"]);
}

#[test]
fn what_is_read_is_not_written() {
    let place = Place::with_run();
    place.ok(&["reconstruct", "--run", "vae", "--images", "d/test_images.npy", "--out", "x.npy"]);
    let attribute = "attribute --run vae --from rabbit --to hand --images x.npy --png a.png";
    let commands = [format!("{attribute} --out x.npy"), format!("{attribute} --vector ./x.npy")];
    each_refused(&place, &commands.each_ref().map(String::as_str), "is read as well as written");
    let commands = [
        "attribute --run vae --data d --from rabbit --to hand --png d/a.png",
        "attribute --run vae --data d --from rabbit --to hand --png a.png --out d/x.npy",
        "traverse --run vae --data ./d --png d/t.png",
        "traverse --run vae --data d --png t.png --out d/hand.npy",
    ];
    each_refused(&place, &commands, "which is read, expected another place");
}

#[test]
#[cfg(unix)]
fn a_link_that_leads_to_nothing_is_named_with_its_target() {
    let place = Place::with_run();
    for link in ["run", "s.npy"] {
        std::os::unix::fs::symlink("gone/there", place.path(link)).unwrap();
    }
    let commands = [
        "train cnn-ae --data d --steps 1 --batch-size 8 --out run",
        "train cnn-ae --data d --steps 1 --batch-size 8 --out run/below",
        "data synth --n 20 --out run",
        "data download --classes cat --limit 1 --out run/below",
        "reproduce --quick --out run",
        "man --out run",
    ];
    each_refused(&place, &commands, "is a link to gone/there, which is not there");
    each_refused(&place, &["explain --run vae --out run"], "error: run: is a link to gone/there, whose folder");
    let problem = "s.npy: is a link to gone/there, whose folder is not there";
    each_refused(&place, &["sample --run vae --n 2 --out s.npy"], problem);
    // Where there is a folder for it, the file that the link names is made.
    fs::create_dir(place.path("gone")).unwrap();
    place.ok(&["sample", "--run", "vae", "--n", "2", "--out", "s.npy"]);
    assert!(place.path("gone/there").is_file() && place.path("s.npy").is_symlink());
}
