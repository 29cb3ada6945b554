//! Strokes as pixels.

use inkgrad_kernels::cpu::raster::{Rasterizer, SIDE, insert};

const PIXELS: usize = SIDE * SIDE;

#[test]
fn a_level_line_covers_its_width() {
    let mut image = [0; PIXELS];
    Rasterizer::default().stroke(&[[4.0, 13.0], [24.0, 13.0]], &mut image);
    let column: Vec<u8> = (10..16).map(|row| image[row * SIDE + 14]).collect();
    // 16 of 304 units are 1.474 pixels, half of them on either side: 0.737 · 255 = 188, or 11 lines of 15.
    assert_eq!(column, [0, 0, 187, 187, 0, 0]);
    assert_eq!(image.iter().filter(|&&v| v > 0).count(), 2 * 22);
}

#[test]
fn strokes_lie_over_one_another_and_end_at_the_picture() {
    let (mut once, mut twice) = ([0; PIXELS], [0; PIXELS]);
    let mut rasterizer = Rasterizer::default();
    let stroke = [[-5.0, 10.5], [40.0, 17.0], [14.0, -3.0]];
    rasterizer.stroke(&stroke, &mut once);
    rasterizer.stroke(&stroke, &mut twice);
    rasterizer.stroke(&stroke, &mut twice);
    for (&once, &twice) in once.iter().zip(&twice) {
        let expected = 255.0 - (255.0 - f32::from(once)).powi(2) / 255.0;
        assert_eq!(twice, expected.round() as u8);
    }
}

#[test]
fn intervals_join_when_they_meet() {
    let mut covered = Vec::new();
    for [left, right] in [[1.0, 2.0], [5.0, 6.0], [3.0, 4.0]] {
        insert(&mut covered, left, right);
    }
    assert_eq!(covered.len(), 3);
    insert(&mut covered, 1.5, 3.0);
    covered.sort_by(|a, b| a[0].total_cmp(&b[0]));
    assert_eq!(covered, [[1.0, 4.0], [5.0, 6.0]]);
}
