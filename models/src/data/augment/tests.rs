use proptest::prelude::*;

use super::*;

const COLOUR: Extents = Extents { height: 20, width: 32, channels: 3 };

/// A picture of those extents with values in [0, 1].
fn picture(extents: Extents, seed: u64) -> Vec<f32> {
    let value =
        |i: u64| (seed.wrapping_add(i).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as f32 / ((1 << 24) - 1) as f32;
    (0..extents.len() as u64).map(value).collect()
}

fn changed(words: &str, extents: Extents, pass: u64, number: u64, picture: &[f32]) -> Vec<f32> {
    let mut values = picture.to_vec();
    Augmentation { augment: words.parse().unwrap(), seed: 42 }.change(extents, pass, number, &mut values);
    values
}

/// Every pixel of a picture read at `source` of its place.
fn read(extents: Extents, picture: &[f32], source: impl Fn(Place) -> Place) -> Vec<f32> {
    let mut out = vec![0.0; extents.len()];
    for (i, pixel) in out.chunks_exact_mut(extents.channels).enumerate() {
        let place = ((i / extents.width) as f64, (i % extents.width) as f64);
        sample::bilinear(picture, extents, source(place), pixel);
    }
    out
}

fn sides(extents: Extents) -> Place {
    (extents.height as f64, extents.width as f64)
}

#[test]
fn words_are_read_and_written() {
    for (words, written) in [
        ("none", "none"),
        ("shift", "shift"),
        ("shift:2, flip", "flip,shift"),
        ("elastic:0.5,rotate:180,shift:4", "rotate:180,elastic:0.5,shift:4"),
    ] {
        let augment: Augment = words.parse().unwrap();
        assert_eq!(augment.to_string(), written);
        assert_eq!(written.parse::<Augment>().unwrap(), augment);
        assert_eq!(augment.is_none(), written == "none");
    }
    for (words, problem) in [
        ("", "unknown change ``, expected one of shift, flip, rotate, elastic"),
        ("shift,zoom", "unknown change `zoom`, expected one of shift, flip, rotate, elastic"),
        ("none,shift", "unknown change `none`, expected one of shift, flip, rotate, elastic"),
        ("shift,shift:3", "shift twice, expected it once"),
        ("flip,flip", "flip twice, expected it once"),
        ("flip:2", "flip:2, expected flip without an amount"),
        ("shift:1.5", "shift:1.5, expected whole pixels above 0, 64 at most"),
        ("shift:0", "shift:0, expected whole pixels above 0, 64 at most"),
        ("rotate:-3", "rotate:-3, expected degrees above 0, 180 at most"),
        ("rotate:NaN", "rotate:NaN, expected degrees above 0, 180 at most"),
        ("elastic:inf", "elastic:inf, expected pixels above 0, 64 at most"),
        ("elastic:", "elastic:, expected pixels above 0, 64 at most"),
    ] {
        assert_eq!(words.parse::<Augment>().unwrap_err(), problem);
    }
}

#[test]
fn nothing_changes_a_picture_where_nothing_is_asked_for() {
    for extents in [Extents::DRAWING, COLOUR] {
        let before = picture(extents, 1);
        assert_eq!(changed("none", extents, 0, 0, &before), before);
        assert_eq!(read(extents, &before, |place| shift::source(place, (0.0, 0.0))), before);
        assert_eq!(read(extents, &before, |place| rotate::source(place, (0.0, 1.0), sides(extents))), before);
    }
}

#[test]
fn a_flip_twice_and_four_quarter_turns_are_nothing() {
    let extents = Extents { height: 21, width: 21, channels: 3 };
    let before = picture(extents, 2);
    let flip = |values: &[f32]| read(extents, values, |place| flip::source(place, sides(extents)));
    let mirrored = flip(&before);
    assert_ne!(mirrored, before);
    assert_eq!(mirrored[..3], before[60..63]);
    assert_eq!(flip(&mirrored), before);
    let turn = |values: &[f32]| read(extents, values, |place| rotate::source(place, (1.0, 0.0), sides(extents)));
    let turned = turn(&before);
    // Clockwise: the lower left corner goes to the upper left.
    assert_eq!(turned[..3], before[20 * 63..][..3]);
    assert_eq!(turn(&turn(&turn(&turned))), before);
}

#[test]
fn a_shift_moves_whole_pixels_and_lets_paper_in() {
    let extents = Extents::DRAWING;
    let before = vec![1.0; extents.len()];
    let mut seen = std::collections::BTreeSet::new();
    for number in 0..400 {
        let after = changed("shift", extents, 0, number, &before);
        assert!(after.iter().all(|&v| v == 0.0 || v == 1.0));
        let empty = |row: &[f32]| row.iter().all(|&v| v == 0.0);
        let rows: Vec<bool> = after.chunks(28).map(empty).collect();
        let (above, below) = (rows.iter().take_while(|&&e| e).count(), rows.iter().rev().take_while(|&&e| e).count());
        seen.insert(above as i32 - below as i32);
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), [-2, -1, 0, 1, 2]);
}

#[test]
fn half_of_the_pictures_are_flipped() {
    let before = picture(Extents::DRAWING, 3);
    let flipped = (0..1000).filter(|&i| changed("flip", Extents::DRAWING, 0, i, &before) != before).count();
    assert!((450..550).contains(&flipped), "{flipped}");
}

#[test]
fn angles_fill_their_range() {
    let angles: Vec<f64> = (0..1000)
        .map(|i| {
            let (sin, cos) = rotate::draw(10.0, Draws::new(7, 0, i).of(2));
            sin.atan2(cos).to_degrees()
        })
        .collect();
    let (least, most) = angles.iter().fold((0.0f64, 0.0f64), |(least, most), &v| (least.min(v), most.max(v)));
    assert!((-10.0..-9.8).contains(&least) && (9.8..10.0).contains(&most), "{least} to {most}");
    let mean = angles.iter().sum::<f64>() / 1000.0;
    assert!(mean.abs() < 0.6, "{mean}");
}

#[test]
fn around_a_picture_in_colour_lies_its_mirror_image() {
    let before = picture(COLOUR, 5);
    let after = read(COLOUR, &before, |place| shift::source(place, (2.0, 3.0)));
    let row = COLOUR.row();
    // Row 0 of the result is row −2, which is row 1; column 0 is column −3, which is column 2.
    assert_eq!(after[..3], before[row + 6..row + 9]);
    assert_eq!(after[2 * row + 9..3 * row], before[..row - 9]);
}

#[test]
fn every_change_depends_on_seed_pass_and_number_alone() {
    let before = picture(Extents::DRAWING, 4);
    for words in ["shift", "rotate", "elastic", "shift,flip,rotate,elastic"] {
        let all = |pass, number| changed(words, Extents::DRAWING, pass, number, &before);
        assert_eq!(all(3, 9), all(3, 9));
        // Of several, one at least is different.
        assert!((4..9).any(|pass| all(pass, 9) != all(3, 9)), "{words}");
        assert!((4..9).any(|number| all(3, number) != all(3, 9)), "{words}");
        let mut other = before.clone();
        Augmentation { augment: words.parse().unwrap(), seed: 43 }.change(Extents::DRAWING, 3, 9, &mut other);
        let mut same = before.clone();
        Augmentation { augment: words.parse().unwrap(), seed: 42 }.change(Extents::DRAWING, 3, 9, &mut same);
        assert_eq!(same, all(3, 9));
        assert!(words == "shift" || other != same, "{words}");
    }
}

#[test]
fn a_batch_is_changed_alike_by_any_number_of_threads() {
    let batch: Vec<usize> = (0..37).map(|i| i * 13 % 101).collect();
    let before: Vec<f32> = batch.iter().flat_map(|&i| picture(COLOUR, i as u64)).collect();
    let augmentation = Augmentation { augment: "shift,flip,rotate,elastic".parse().unwrap(), seed: 1 };
    let expected: Vec<f32> = before
        .chunks_exact(COLOUR.len())
        .zip(&batch)
        .flat_map(|(picture, &number)| {
            let mut values = picture.to_vec();
            augmentation.change(COLOUR, 6, number as u64, &mut values);
            values
        })
        .collect();
    for threads in [1, 3] {
        let mut images = before.clone();
        inkgrad_kernels::cpu::Pool::new(threads)
            .enter(|team| augmentation.change_all(COLOUR, 6, &batch, &mut images, team));
        assert_eq!(images, expected, "{threads} threads");
    }
}

proptest! {
    #![proptest_config(crate::property::cases(64))]

    #[test]
    fn values_stay_in_their_range(
        height in 1usize..40, width in 1usize..40, coloured: bool, seed: u64, pass in 0u64..1000, number: u64,
        words in "(shift:64|shift|rotate|rotate:180|elastic|elastic:64|flip,rotate,elastic,shift)",
    ) {
        let extents = Extents { height, width, channels: if coloured { 3 } else { 1 } };
        let before = picture(extents, seed);
        let after = changed(&words, extents, pass, number, &before);
        let (least, most) = before.iter().fold((1.0f32, 0.0f32), |(least, most), &v| (least.min(v), most.max(v)));
        let least = if coloured { least } else { 0.0 };
        // An interpolation may round.
        prop_assert!(after.iter().all(|&v| (0.0..=1.0).contains(&v) && v >= least - 1e-6 && v <= most + 1e-6));
    }

    #[test]
    fn a_place_between_pixels_is_read_as_the_formula_says(y in -3.0f64..25.0, x in -3.0f64..40.0, seed: u64, coloured: bool) {
        let extents = Extents { channels: if coloured { 3 } else { 1 }, ..COLOUR };
        let before = picture(extents, seed);
        let mut found = [0.0; 3];
        sample::bilinear(&before, extents, (y, x), &mut found[..extents.channels]);
        let at = |i: i64, j: i64, channel: usize| -> f64 {
            let (mut i, mut j) = (i, j);
            let inside = (0..20).contains(&i) && (0..32).contains(&j);
            if !coloured && !inside {
                return 0.0;
            }
            // One fold is enough here.
            if i < 0 { i = -1 - i }
            if i >= 20 { i = 39 - i }
            if j < 0 { j = -1 - j }
            if j >= 32 { j = 63 - j }
            before[(i as usize * 32 + j as usize) * extents.channels + channel].into()
        };
        let (i, j) = (y.floor(), x.floor());
        let (s, t) = (y - i, x - j);
        for (channel, found) in found.iter().enumerate().take(extents.channels) {
            let v = |di: i64, dj: i64| at(i as i64 + di, j as i64 + dj, channel);
            let expected = (1.0 - s) * ((1.0 - t) * v(0, 0) + t * v(0, 1)) + s * ((1.0 - t) * v(1, 0) + t * v(1, 1));
            prop_assert!((f64::from(*found) - expected).abs() < 1e-5, "{found}, expected {expected}");
        }
    }
}
