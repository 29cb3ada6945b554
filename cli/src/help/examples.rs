//! The examples in the help of every command.

/// An example: what is typed after the program's name, and what it does.
pub(super) type Example = (&'static str, &'static str);

/// Two worked examples of every command.
pub(super) const EXAMPLES: [(&str, [Example; 2]); 32] = [
    (
        "train",
        [
            ("train cnn-vae --quick --out runs/first", "A short run on drawings that the program makes itself"),
            ("train --resume runs/first --epochs 8", "The same run goes on, as if it had not stopped"),
        ],
    ),
    (
        "sample",
        [
            ("sample --run runs/first --n 64 --out s.npy --png s.png", "64 new drawings, and a picture of them"),
            ("sample --run runs/cvae --n 8 --class all --out s.npy --png s.png", "Eight of each class, a row a class"),
        ],
    ),
    (
        "reconstruct",
        [
            (
                "reconstruct --run runs/first --images x.npy --out r.npy",
                "Each drawing coded and decoded, with no randomness",
            ),
            ("reconstruct --run runs/first --images x.npy --out r.npy --png r.png", "The same, pairs in a picture too"),
        ],
    ),
    (
        "encode",
        [
            ("encode --run runs/first --images x.npy --out z.npy", "A latent for each drawing"),
            ("encode --run runs/first --images x.npy --out z.npy --logvar v.npy", "With the variances of a VAE"),
        ],
    ),
    (
        "decode",
        [
            ("decode --run runs/first --latents z.npy --out x.npy", "A drawing for each latent"),
            ("decode --run runs/cvae --latents z.npy --labels l.npy --out x.npy", "Of the classes that a cvae is told"),
        ],
    ),
    (
        "interpolate",
        [
            ("interpolate --run runs/first --images x.npy --pairs 8 --png rows.png", "Eight rows, a pair's ends each"),
            (
                "interpolate --run runs/first --images x.npy --pairs 4 --way linear --png p.png",
                "Along straight lines instead of arcs",
            ),
        ],
    ),
    (
        "traverse",
        [
            ("traverse --run runs/first --png rows.png", "Ten rows, those dimensions first that carry most"),
            (
                "traverse --run runs/first --from 3 --dimensions 20 --out s.npy --png rows.png",
                "Around the latent of a test drawing, with the drawings as an array",
            ),
        ],
    ),
    (
        "attribute",
        [
            ("attribute --run runs/first --from rabbit --to yoga --png rows.png", "Rabbits on their way to yoga"),
            (
                "attribute --run runs/first --from 0 --to 1 --images x.npy --png rows.png",
                "Drawings of one's own; classes by their indices",
            ),
        ],
    ),
    (
        "classify",
        [
            ("classify --run runs/judge --images x.npy --out p.npy", "The probabilities of each drawing's classes"),
            ("classify --run runs/judge --images x.npy --labels l.npy --out p.npy", "And how many are right"),
        ],
    ),
    (
        "evaluate",
        [
            ("evaluate --run runs/first --out scores.json", "On the drawings that the run was trained on"),
            (
                "evaluate --run runs/first --classifier runs/judge --out scores.json",
                "By a judge of one's own in place of one trained on the spot",
            ),
        ],
    ),
    (
        "report",
        [
            ("report runs/first runs/cvae --out report.html", "Two runs side by side, on a page that opens offline"),
            ("report runs/first --samples 1000 --out report.html", "Of one run, by fewer samples"),
        ],
    ),
    (
        "explain",
        [
            ("explain --run runs/first --out page.html", "Draw, move its latents, walk the graph of a step"),
            ("explain --model cnn-ae --out page.html", "Of a network that is not trained"),
        ],
    ),
    (
        "reproduce",
        [
            ("reproduce --quick --out study", "Eight short runs on built-in drawings, their scores, the report"),
            ("reproduce --data quickdraw --out study", "In full on drawings of one's own"),
        ],
    ),
    (
        "score",
        [
            ("score --real f.npy --generated g.npy --logits l.npy", "FID, KID, IS and the others of given features"),
            (
                "score --real pngs --generated made --classifier runs/judge",
                "Of two folders of pictures, by a classifier",
            ),
        ],
    ),
    (
        "tsne",
        [
            ("tsne --input z.npy --labels l.npy --out y.npy --png y.png", "A map of latents, coloured by class"),
            ("tsne --input z.npy --embedding y.npy --add new.npy --out placed.npy", "New points in the map as it is"),
        ],
    ),
    (
        "features",
        [
            (
                "features --network classifier --weights runs/judge --images x.npy --out f.npy",
                "Of a classifier's last hidden layer",
            ),
            (
                "features --network inception --weights fid.pth --images x.npy --out f.npy",
                "Of InceptionV3, as published scores have them",
            ),
        ],
    ),
    (
        "import",
        [
            ("import --model cnn-vae --weights w.pth --out runs/imported", "Weights from PyTorch become a run"),
            ("import --model cvae --weights w.pth --set condition=both --out runs/both", "Of a model with options"),
        ],
    ),
    (
        "export",
        [
            ("export --run runs/first --out w.safetensors", "Weights under PyTorch's names"),
            ("export --run runs/first --format onnx --part decoder --out decoder.onnx", "For onnxruntime and others"),
        ],
    ),
    (
        "gradcheck",
        [
            ("gradcheck", "Every operation and every model; about half a minute"),
            ("gradcheck --op conv2d --json", "One operation, as JSON"),
        ],
    ),
    (
        "graph",
        [
            ("graph cnn-vae", "The operations of a training step"),
            ("graph cnn-vae --batch-size 8 --plan", "And where their values lie in memory"),
        ],
    ),
    (
        "bench",
        [
            ("bench --model cnn-vae", "Milliseconds a training step of one model"),
            ("bench --model cnn-vae --threads 1 --profile", "Where the time goes, on one thread"),
        ],
    ),
    (
        "data",
        [
            ("data info builtin", "Classes, counts and means of the built-in drawings"),
            ("data synth --n 5000 --out drawings", "Built-in drawings as files"),
        ],
    ),
    (
        "data info",
        [
            ("data info builtin", "Classes, counts and means of the built-in drawings"),
            ("data info photos --resize 64 --png sheet.png", "Of pictures, with some of each class in one"),
        ],
    ),
    (
        "data download",
        [
            ("data download --classes cat,rainbow --limit 5000 --out quickdraw", "The first 5,000 of two classes"),
            ("data download --classes 'ice cream' --out quickdraw", "All of a class with two words"),
        ],
    ),
    (
        "data synth",
        [
            ("data synth --n 5000 --out drawings", "4,000 drawings to train on, 1,000 to test on"),
            ("data synth --n 100 --seed 7 --out few", "A few others"),
        ],
    ),
    (
        "devices",
        [
            ("devices", "The processor, a GPU, the emulator: usable or why not"),
            ("devices --json", "The same for a program"),
        ],
    ),
    (
        "emulate",
        [
            ("emulate gemm --trace", "A matrix product, instruction by instruction"),
            (
                "emulate transpose --trace --html page.html",
                "All lanes of a warp on a page to step through, with the banks of shared memory",
            ),
        ],
    ),
    (
        "models",
        [
            ("models", "All models, a line of defaults each"),
            ("models cnn-vae", "One, with its options and their values"),
        ],
    ),
    (
        "runs",
        [
            ("runs runs", "The runs below a folder, what tells them apart, and their best losses"),
            ("runs runs --csv records.csv", "With all of their records in a table for a spreadsheet"),
        ],
    ),
    (
        "sweep",
        [
            ("sweep F.toml", "All runs of the file, in the folder F; the same again goes on where it stopped"),
            ("sweep F.toml --out runs/sweep --json", "In another folder, with the table as JSON"),
        ],
    ),
    (
        "completions",
        [
            (
                "completions bash > ~/.local/share/bash-completion/completions/inkgrad",
                "For bash, from the next shell on",
            ),
            ("completions fish > ~/.config/fish/completions/inkgrad.fish", "For fish"),
        ],
    ),
    (
        "man",
        [
            ("man | man -l -", "The page of the program, to read at once"),
            ("man --out ~/.local/share/man/man1", "A page for each command, where man looks for them"),
        ],
    ),
];

/// The first commands of somebody who has just installed the program.
pub(super) const FIRST: [Example; 3] = [
    ("train cnn-vae --quick --out runs/first", "trains on drawings that the program makes itself, some ten seconds"),
    ("sample --run runs/first --n 64 --out s.npy --png s.png", "makes new ones: look at s.png"),
    ("explain --run runs/first --out page.html", "the network on one page: draw, move its latents, see its graph"),
];
