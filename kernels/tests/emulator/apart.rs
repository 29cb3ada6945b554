//! A device whose buffers lie apart.

use inkgrad_kernels::emulator::Emulator;
use inkgrad_kernels::launch::{Apart, Arg, Buffer, Device, Launch, download, upload};
use inkgrad_kernels::ptx::MODULES;

fn device() -> Apart {
    let mut emulator = Emulator::new(1);
    for (name, text) in MODULES {
        emulator.load_module(name, text).unwrap();
    }
    Apart::new(Box::new(emulator))
}

fn scale(x: Buffer, y: Buffer, n: u32) -> Launch {
    let args = vec![Arg::Buffer(x), Arg::Buffer(y), Arg::U32(n), Arg::F32(2.0), Arg::U32(0)];
    Launch { entry: "scale", grid: [1, 1, 1], block: [256, 1, 1], cluster: 1, shared_bytes: 0, args }
}

#[test]
fn neighbours_in_one_allocation_are_computed_as_they_lie() {
    let mut device = device();
    let at = upload(&mut device, &[1.0_f32, 2.0, 3.0, 0.0, 0.0, 0.0, 9.0]).unwrap();
    let launch = scale(Buffer::read(at, 12), Buffer::write(at + 12, 12), 3);
    device.launch(&launch).unwrap();
    assert_eq!(download::<f32>(&mut device, at, 7).unwrap(), [1.0, 2.0, 3.0, 2.0, 4.0, 6.0, 9.0]);
}

#[test]
fn what_overlaps_and_is_written_is_refused() {
    let mut device = device();
    let at = upload(&mut device, &[1.0_f32; 6]).unwrap();
    let refused = device.launch(&scale(Buffer::read(at, 12), Buffer::write(at + 8, 12), 3)).unwrap_err();
    assert!(refused.to_string().contains("expected them apart"), "{refused}");
}
