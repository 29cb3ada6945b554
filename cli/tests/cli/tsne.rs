//! `tsne`: what it prints and writes, and what it refuses.

use inkgrad_models::data::{load_matrix, save_npy};

use crate::Place;

/// Rows around three centres far apart: `z.npy` (n, 4), and their classes in `l.npy`.
fn with_points(n: usize) -> Place {
    let place = Place::new();
    let spread = |i: usize, column: usize| ((i * 37 + column * 101) % 97) as f32 / 97.0;
    let centre = |i: usize, column: usize| if i % 3 == column { 20.0 } else { 0.0 };
    let values: Vec<f32> = (0..n * 4).map(|at| centre(at / 4, at % 4) + spread(at / 4, at % 4)).collect();
    save_npy(place.path("z.npy"), &[n, 4], &values).unwrap();
    save_npy(place.path("l.npy"), &[n], &(0..n as i64).map(|i| i % 3).collect::<Vec<_>>()).unwrap();
    place
}

const ARGS: [&str; 7] = ["tsne", "--input", "z.npy", "--out", "y.npy", "--perplexity", "10"];

#[test]
fn classes_stay_together_at_any_number_of_threads() {
    let place = with_points(90);
    let more = ["--labels", "l.npy", "--png", "y.png", "--classes", "cat,dog,hand"];
    let found = place.json(&[&ARGS[..], &more].concat());
    assert_eq!((&found["rows"], &found["perplexity"]), (&90.into(), &10.0.into()));
    assert_eq!(found["knn_accuracy"], 1.0);
    let of = |key: &str| found[key].as_f64().unwrap();
    assert!(of("trustworthiness") > 0.9 && of("kl") > 0.0 && of("seconds") > 0.0, "{found}");
    let points = load_matrix(place.path("y.npy")).unwrap();
    assert_eq!((points.0, points.1), (90, 2));
    assert!(place.read("y.png").starts_with(b"\x89PNG"));

    let first = place.read("y.npy");
    for threads in ["1", "3"] {
        let without = place.json(&[&ARGS[..], &["--threads", threads]].concat());
        assert!(place.read("y.npy") == first, "{threads} threads");
        assert!(without["knn_accuracy"].is_null());
    }
    place.ok(&[&ARGS[..], &["--init", "random", "--seed", "1"]].concat());
    assert!(place.read("y.npy") != first);
}

#[test]
fn approximate_neighbours_say_their_recall() {
    let place = with_points(90);
    let exact = place.json(&[&ARGS[..], &["--neighbours", "exact"]].concat());
    assert!(exact["recall"].is_null() && exact["judged"] == 90, "{exact}");
    let approximate = [&ARGS[..], &["--neighbours", "approximate", "--labels", "l.npy"]].concat();
    let found = place.json(&approximate);
    assert_eq!((&found["recall"], &found["knn_accuracy"]), (&1.0.into(), &1.0.into()));
    assert!(place.ok(&approximate).contains("recall              1.0000  of the neighbours"));
}

#[test]
fn a_device_finds_the_same_neighbours() {
    let place = with_points(90);
    place.ok(&ARGS);
    let here = place.read("y.npy");
    place.ok(&[&ARGS[..], &["--device", "emulated"]].concat());
    assert!(place.read("y.npy") == here);
    let refused = |args: &[&str], with: &str, expected: &str| {
        let problem =
            format!("--device: emulated with {with}, which the processor computes alone, expected {expected}");
        place.refused(&[&ARGS[..], &["--device", "emulated"], args].concat(), &[&problem]);
    };
    refused(&["--neighbours", "approximate"], "--neighbours approximate", "cpu, or exact ones");
    place.ok(&["tsne", "--input", "z.npy", "--out", "plane.npy", "--perplexity", "10"]);
    refused(&["--embedding", "plane.npy", "--add", "z.npy"], "--add", "cpu");
}

#[test]
fn doubles_keep_their_digits_and_errors_name_file_and_row() {
    let place = with_points(90);
    let (rows, width, values) = load_matrix(place.path("z.npy")).unwrap();
    let far: Vec<f64> = values.iter().map(|&x| f64::from(x) * 1e-3 + 1e9).collect();
    save_npy(place.path("z.npy"), &[rows, width], &far).unwrap();
    assert_eq!(place.json(&[&ARGS[..], &["--labels", "l.npy"]].concat())["knn_accuracy"], 1.0);
    let mut far = far;
    far[9] = 1e200;
    save_npy(place.path("z.npy"), &[rows, width], &far).unwrap();
    place.refused(&ARGS, &["z.npy: row 2 holds 1e200"]);
    far[9] = f64::INFINITY;
    save_npy(place.path("z.npy"), &[rows, width], &far).unwrap();
    place.refused(&ARGS, &["z.npy: row 2 holds inf"]);
}

#[test]
fn labels_of_one_class_are_all_found() {
    let place = with_points(30);
    save_npy(place.path("one.npy"), &[30], &[7i64; 30]).unwrap();
    assert_eq!(place.json(&[&ARGS[..], &["--labels", "one.npy"]].concat())["knn_accuracy"], 1.0);
}

#[test]
fn points_that_cannot_be_embedded() {
    let place = with_points(30);
    let refused =
        |change: &[&str], parts: &[&str]| place.refused(&[&["tsne", "--out", "y.npy"], change].concat(), parts);
    save_npy(place.path("three.npy"), &[3, 4], &[0.5f32; 12]).unwrap();
    save_npy(place.path("same.npy"), &[40, 4], &[0.5f32; 160]).unwrap();
    let mut values = vec![0.25f32; 160];
    (values[9], values[50]) = (f32::NAN, 1.0);
    save_npy(place.path("nan.npy"), &[40, 4], &values).unwrap();
    place.write("cut.npy", &place.read("z.npy")[..100]);
    refused(&["--input", "three.npy"], &["three.npy: 3 rows, expected at least 4"]);
    refused(&["--input", "same.npy"], &["same.npy: all 40 rows are the same"]);
    refused(&["--input", "nan.npy"], &["nan.npy: row 2 holds NaN"]);
    refused(&["--input", "cut.npy"], &["cut.npy"]);
    refused(&["--input", "none.npy"], &["none.npy: No such file"]);
    for perplexity in ["30", "0.5", "NaN"] {
        let parts = ["--perplexity", perplexity, "expected at least 1 and less than the 30 points"];
        refused(&["--input", "z.npy", "--perplexity", perplexity], &parts);
    }
    refused(&["--input", "z.npy", "--iterations", "10"], &["--iterations", "250 to 100000"]);

    let labelled = |labels: &str, more: &[&str], parts: &[&str]| {
        refused(&[&["--input", "z.npy", "--perplexity", "5", "--labels", labels], more].concat(), parts);
    };
    save_npy(place.path("few.npy"), &[29], &[1i64; 29]).unwrap();
    labelled("few.npy", &[], &["few.npy: 29 labels, expected 30"]);
    labelled("l.npy", &["--classes", "cat,dog"], &["l.npy: label 2 at 2, expected 0 to 1"]);
    labelled("z.npy", &[], &["z.npy"]);
}

#[test]
fn new_points_are_placed_in_a_map_that_stays() {
    let place = with_points(90);
    place.ok(&ARGS);
    let (_, _, plane) = load_matrix(place.path("y.npy")).unwrap();
    let (_, _, values) = load_matrix(place.path("z.npy")).unwrap();
    // Five of the points that are there, a little moved.
    let new: Vec<f32> = values[..20].iter().map(|x| x + 0.01).collect();
    save_npy(place.path("new.npy"), &[5, 4], &new).unwrap();
    let add = ["tsne", "--input", "z.npy", "--embedding", "y.npy", "--add", "new.npy", "--perplexity", "10"];
    let to = |out: &'static str| [&add[..], &["--out", out]].concat();
    let found = place.json(&[&to("placed.npy")[..], &["--labels", "l.npy", "--png", "p.png"]].concat());
    assert_eq!((&found["rows"], &found["among"], &found["iterations"]), (&5.into(), &90.into(), &250.into()));
    assert!(found["kl"].as_f64() <= found["start_kl"].as_f64(), "{found}");
    assert!(place.read("p.png").starts_with(b"\x89PNG"));
    let (rows, width, placed) = load_matrix(place.path("placed.npy")).unwrap();
    assert_eq!((rows, width), (5, 2));
    for (i, at) in placed.chunks(2).enumerate() {
        let apart = |j: usize| (plane[2 * j] - at[0]).hypot(plane[2 * j + 1] - at[1]);
        let nearest = (0..90).min_by(|&a, &b| apart(a).total_cmp(&apart(b))).unwrap();
        assert_eq!(nearest % 3, i % 3, "new point {i}");
    }
    let first = place.read("placed.npy");
    place.ok(&[&to("placed.npy")[..], &["--threads", "3"]].concat());
    assert!(place.read("placed.npy") == first);

    save_npy(place.path("wide.npy"), &[2, 5], &[0.5f32; 10]).unwrap();
    save_npy(place.path("few.npy"), &[80, 2], &plane[..160]).unwrap();
    let refused = |args: &[&str], parts: &[&str]| {
        place.refused(&[&["tsne", "--input", "z.npy", "--out", "o.npy", "--perplexity", "10"], args].concat(), parts);
    };
    refused(&["--embedding", "y.npy", "--add", "wide.npy"], &["wide.npy: rows of 5 numbers, expected 4 as in z.npy"]);
    refused(&["--embedding", "few.npy", "--add", "new.npy"], &["few.npy: (80, 2) numbers, expected (90, 2)"]);
    for (args, said) in [(["--add", "new.npy"], "--embedding <Y.npy>"), (["--embedding", "y.npy"], "--add <NEW.npy>")] {
        let ended = place.run(&[&["tsne", "--input", "z.npy", "--out", "o.npy"][..], &args].concat());
        assert!(ended.status == 2 && ended.stderr.contains(said), "{}", ended.stderr);
    }
    refused(&["--embedding", "y.npy", "--add", "none.npy"], &["none.npy"]);
    place.refused(&[&to("new.npy")[..]].concat(), &["new.npy: is read as well as written"]);
}

#[test]
fn points_begin_where_a_file_says() {
    let place = with_points(90);
    let start: Vec<f32> = (0..180).map(|i| ((i * 37) % 101) as f32 / 1000.0).collect();
    save_npy(place.path("s.npy"), &[90, 2], &start).unwrap();
    place.ok(&ARGS);
    let by_pca = place.read("y.npy");
    place.ok(&[&ARGS[..], &["--init", "pca"]].concat());
    assert!(place.read("y.npy") == by_pca);
    let given = [&ARGS[..], &["--init", "s.npy", "--labels", "l.npy"]].concat();
    assert_eq!(place.json(&given)["knn_accuracy"], 1.0);
    let first = place.read("y.npy");
    assert!(first != by_pca);
    // A seed draws nothing where the start is given.
    place.ok(&[&given[..], &["--seed", "9"]].concat());
    assert!(place.read("y.npy") == first);
    let refused = |init: &str, parts: &[&str]| place.refused(&[&ARGS[..], &["--init", init]].concat(), parts);
    refused("spectral", &["--init: spectral, expected pca, random or a file"]);
    refused("z.npy", &["z.npy: (90, 4) numbers, expected (90, 2): a place for each row of z.npy"]);
    refused("y.npy", &["y.npy: is read as well as written"]);
    save_npy(place.path("same.npy"), &[90, 2], &[1.0f32; 180]).unwrap();
    refused("same.npy", &["same.npy: all 90 rows are the same"]);
}
