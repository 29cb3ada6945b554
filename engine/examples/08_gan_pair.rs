//! Two plans over one set of parameters: a generator of numbers and a critic that tells them from real ones, which are drawn
//! from N(4, 0.5) (Goodfellow et al. 2014). Each plan trains its own side; the other stays as it is, with its moments.
//!
//!     cargo run --release -p inkgrad-engine --example 08_gan_pair

use inkgrad_engine::prelude::*;
use inkgrad_engine::rng;

const BATCH: usize = 128;

/// Two layers, 1 → 16 → out, with a tanh between them.
type Layers = [nn::Linear; 2];

fn layers(params: &mut Params<f32>, name: &str, out: usize) -> Layers {
    [("0", 1, 16), ("1", 16, out)].map(|(i, inputs, out)| nn::Linear::new(params, &format!("{name}.{i}"), inputs, out))
}

fn run([first, second]: &Layers, tape: &mut Tape<f32>, x: Tensor) -> Result<Tensor> {
    let h = first.forward(tape, x)?;
    let h = tape.tanh(h)?;
    second.forward(tape, h)
}

fn main() -> Result<()> {
    let mut params = Params::new();
    let (generator_layers, critic_layers) = (layers(&mut params, "generator", 1), layers(&mut params, "critic", 2));
    params.initialise(5);

    // The critic's step: real numbers are class 1, made ones class 0. No gradient goes to the generator.
    let mut tape = Tape::new();
    let (real, made) = (tape.input("real", [BATCH, 1]), tape.input("made", [BATCH, 1]));
    let (ones, zeros) = (tape.input("ones", [BATCH]), tape.input("zeros", [BATCH]));
    let of_real = run(&critic_layers, &mut tape, real)?;
    let of_made = run(&critic_layers, &mut tape, made)?;
    let losses = (tape.softmax_cross_entropy(of_real, ones)?, tape.softmax_cross_entropy(of_made, zeros)?);
    let critic_loss = tape.add(losses.0, losses.1)?;
    let mut critic = tape.compile(Compile { loss: Some(critic_loss), ..Compile::default() });
    critic.fill(ones, &[1.0; BATCH])?;
    critic.fill(zeros, &[0.0; BATCH])?;

    // The generator's: through a critic that is frozen in this plan, it wants its numbers to pass as real.
    let mut tape = Tape::new();
    let (noise, wanted) = (tape.input("noise", [BATCH, 1]), tape.input("wanted", [BATCH]));
    let numbers = run(&generator_layers, &mut tape, noise)?;
    let judged = run(&critic_layers, &mut tape, numbers)?;
    let generator_loss = tape.softmax_cross_entropy(judged, wanted)?;
    let options = Compile { loss: Some(generator_loss), keep: &[numbers], frozen: &["critic."], ..Compile::default() };
    let mut generator = tape.compile(options);
    generator.fill(wanted, &[1.0; BATCH])?;

    let (team, mut optimizer) = (Team::solo(), Optimizer::adam(&params));
    let normal = |stream: u64| {
        let mut values = vec![0.0f32; BATCH];
        rng::fill_normal(&Team::solo(), 9, stream, 0, &mut values);
        values
    };
    // Of each thousand steps: the two chase each other around the real mean.
    let mut means = [0.0; 4];
    for step in 0..4000 {
        generator.fill(noise, &normal(2 * step))?;
        generator.forward(&params, &team, Clock::default());
        let values = generator.value(numbers).to_vec();
        means[step as usize / 1000] += values.iter().sum::<f32>() / (1000 * BATCH) as f32;
        generator.backward(&mut params, &team);
        optimizer.update(&mut params, &team, 5e-4);

        critic.fill(real, &normal(2 * step + 1).iter().map(|x| 4.0 + 0.5 * x).collect::<Vec<f32>>())?;
        critic.fill(made, &values)?;
        critic.forward(&params, &team, Clock::default());
        critic.backward(&mut params, &team);
        optimizer.update(&mut params, &team, 2e-3);
    }
    println!("mean of the generator's numbers in each thousand steps: {means:.2?}; of real ones: 4");
    assert!((means[3] - 4.0).abs() < 0.5);
    Ok(())
}
