//! Screens of a run that is made up, as text.

use inkgrad_models::data::Extents;
use inkgrad_models::metrics::latent::Usage;
use inkgrad_models::run::records::{Record, Split, Terms};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::style::Color;

use super::state::{Look, News, Now, Sheet, State, Thinned};
use super::theme::Theme;
use super::view;
use crate::inline::Colours;

const EXTENTS: Extents = Extents { height: 28, width: 28, channels: 1 };

fn record(split: Split, epoch: u32, of: f64, terms: &[(&str, f64)]) -> Record {
    let value = |from: f64| of * (from + 2.0 * from / f64::from(epoch));
    let terms = Terms(terms.iter().map(|&(name, from)| (name.to_owned(), value(from))).collect());
    Record { terms, ..Record::new(100 * u64::from(epoch), epoch.into(), split, value(100.0)) }
}

/// A ring, larger with each drawing.
fn ring(i: usize, y: usize, x: usize) -> f32 {
    let far = (y as f32 - 13.5).hypot(x as f32 - 13.5);
    f32::from((far - (5.0 + i as f32 % 8.0)).abs() < 1.2)
}

fn sheet(title: &'static str, together: usize) -> Sheet {
    let values = (0..40).flat_map(|i| (0..784).map(move |at| ring(i, at / 28, at % 28))).collect();
    Sheet { title, extents: EXTENTS, together, values }
}

/// A run in its sixth epoch of ten.
fn state(terms: &[(&str, f64)], look: Look) -> State {
    let mut state = State { title: "cnn-vae on builtin".to_owned(), run: "runs/first".to_owned(), ..State::default() };
    let splits = [(Split::Train, 1.0), (Split::Val, 1.05)];
    let records = (1..=5).flat_map(|epoch| splits.map(|(split, of)| record(split, epoch, of, terms)));
    let now = Now {
        step: 5600,
        total: 10_000,
        epoch: 5.6,
        loss: 134.5,
        images_per_second: 1234.0,
        steps_per_second: 19.3,
        elapsed: 290.0,
        left: 228.0,
    };
    state.apply(News {
        now: Some(now),
        recent: (1..560).map(|i| (f64::from(i) / 100.0, 100.0 + 20_000.0 / f64::from(i + 60))).collect(),
        norms: (0..60).map(|i| 20.0 + (f64::from(i) * 0.4).sin() * 5.0).collect(),
        rate: Some(3e-4),
        records: records.collect(),
        look: Some(look),
    });
    state.log = vec!["step 500, epoch 5.00, train: loss 140.00, bce 98.00, kl 42.00".to_owned()];
    state
}

fn vae() -> State {
    let kl: Vec<f64> = (0..32).map(|i| 4.0 * (-0.2 * f64::from(31 - i)).exp()).collect();
    let variance: Vec<f64> = kl.iter().map(|kl| kl / 5.0).collect();
    let usage = Some(Usage { active: variance.iter().filter(|&&v| v > 0.01).count(), variance, kl });
    let sheets = vec![sheet("samples", 1), sheet("reconstructions", 2)];
    state(&[("bce", 70.0), ("kl", 30.0)], Look { sheets, usage, problem: None })
}

fn drawn(state: &State, width: u16, height: u16, colours: Colours) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    let theme = Theme { colours };
    terminal.draw(|frame| view::draw(state, frame.area(), theme, frame.buffer_mut())).unwrap();
    terminal.backend().buffer().clone()
}

/// The characters, without blanks at the ends of lines.
fn text(buffer: &Buffer) -> String {
    let row = |y| (0..buffer.area.width).map(move |x| buffer[(x, y)].symbol()).collect::<String>();
    (0..buffer.area.height).map(|y| row(y).trim_end().to_owned() + "\n").collect()
}

/// Compares a screen with the file of that name in `screens`; `INKGRAD_SCREENS=write` writes it anew.
#[track_caller]
fn held(name: &str, buffer: &Buffer) {
    let path = format!("{}/src/tui/screens/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    let found = text(buffer);
    if std::env::var_os("INKGRAD_SCREENS").is_some_and(|value| value == "write") {
        std::fs::write(&path, &found).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == expected, "{path} has\n{expected}\nbut the screen is\n{found}");
}

#[test]
fn a_vae_at_80_and_120_columns() {
    held("vae-80x24", &drawn(&vae(), 80, 24, Colours::None));
    held("vae-120x40", &drawn(&vae(), 120, 40, Colours::None));
}

#[test]
fn a_small_screen_has_one_chart() {
    held("vae-40x12", &drawn(&vae(), 40, 12, Colours::None));
}

#[test]
fn an_autoencoder_has_reconstructions_and_no_kl() {
    let mut state = state(&[("mse", 33.0)], Look { sheets: vec![sheet("reconstructions", 2)], ..Look::default() });
    state.next_curve();
    held("ae-80x24", &drawn(&state, 80, 24, Colours::None));
}

#[test]
fn a_classifier_has_its_accuracy_in_the_place_of_drawings() {
    let state = state(&[("accuracy", 0.3)], Look::default());
    held("classifier-80x24", &drawn(&state, 80, 24, Colours::None));
}

#[test]
fn before_the_first_record_there_is_something_to_see() {
    let mut state = State { title: "cnn-vae on builtin".to_owned(), ..State::default() };
    let screen = text(&drawn(&state, 80, 24, Colours::None));
    assert!(screen.contains("the first record is still to come") && screen.contains("starting"), "{screen}");
    state.help = true;
    let screen = text(&drawn(&state, 80, 24, Colours::None));
    assert!(screen.contains("q, Ctrl-C") && screen.contains("help"), "{screen}");
}

#[test]
fn no_size_of_screen_is_too_small() {
    let mut states = [vae(), state(&[("accuracy", 0.3)], Look::default()), State::default()];
    for state in &mut states {
        for help in [false, true] {
            state.help = help;
            for (width, height) in (0..90).step_by(7).flat_map(|width| (0..50).step_by(3).map(move |h| (width, h))) {
                drawn(state, width, height, Colours::True);
            }
        }
    }
    let one_line = text(&drawn(&vae(), 39, 11, Colours::None));
    assert!(one_line.contains("step 5600/10000, loss 134.50") && one_line.contains("40x12"), "{one_line}");
}

#[test]
fn colours_are_left_out_where_none_are_wanted() {
    let coloured = |colours| {
        let buffer = drawn(&vae(), 120, 40, colours);
        buffer.content().iter().filter(|cell| cell.fg != Color::Reset || cell.bg != Color::Reset).count()
    };
    assert_eq!(coloured(Colours::None), 0);
    assert!(coloured(Colours::Few) > 500 && coloured(Colours::True) > 500);
    let rgb = |colours| drawn(&vae(), 120, 40, colours).content().iter().any(|cell| matches!(cell.fg, Color::Rgb(..)));
    assert!(rgb(Colours::True) && !rgb(Colours::Few));
}

#[test]
fn the_bars_are_ordered_and_say_how_many_are_active() {
    let screen = text(&drawn(&vae(), 120, 40, Colours::None));
    let expected = format!("{} of 32 active", vae().usage.unwrap().active);
    assert!(screen.contains(&expected) && screen.contains("max 4.000 nats"), "{screen}");
    // More dimensions than columns: neighbours share a bar.
    let mut state = vae();
    let kl: Vec<f64> = (0..256).map(f64::from).collect();
    state.usage = Some(Usage { active: 256, variance: vec![1.0; 256], kl });
    let screen = text(&drawn(&state, 80, 24, Colours::None));
    assert!(screen.contains("256 of 256 active") && screen.contains("8 dimensions a bar"), "{screen}");
}

#[test]
fn a_term_that_is_the_loss_is_not_shown_twice() {
    let mut state = state(&[("bce", 100.0), ("kl", 30.0)], Look::default());
    let names = |state: &State| state.shown().iter().map(|curve| curve.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&state), ["loss", "kl"]);
    (0..2).for_each(|_| state.next_curve());
    assert_eq!(state.curve, 0);
}

#[test]
fn points_are_thinned_and_keep_their_place() {
    let mut thinned = Thinned::default();
    (0..100_000).for_each(|i| thinned.push((f64::from(i), 2.0 * f64::from(i))));
    assert!((500..1024).contains(&thinned.points.len()), "{}", thinned.points.len());
    assert!(thinned.points.iter().all(|(x, y)| (y - 2.0 * x).abs() < 1e-6));
    assert!(thinned.points.is_sorted_by(|a, b| a.0 < b.0));
    assert!(thinned.points[0].0 < 200.0 && thinned.points.last().unwrap().0 > 99_000.0);
}
