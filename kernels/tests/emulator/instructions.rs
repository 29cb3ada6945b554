//! Each family of instructions, on one warp.

use super::*;

/// Runs `body` in one warp whose lanes have `%a`, `%b`, `%c` (b32) of the inputs, and gives what it left in `%d`.
fn lanes(body: &str, a: &[u32; 32], b: &[u32; 32], c: &[u32; 32]) -> Vec<u32> {
    let text = format!(
        ".version 8.0\n.target sm_80\n.address_size 64\n.const .align 4 .f32 table[4] = {{1.0, 0f40000000, -3.5, 4}};\n\
         .visible .entry k(.param .u64 p_a, .param .u64 p_b, .param .u64 p_c, .param .u64 p_d)\n{{\n\
         .reg .pred %p, %q; .reg .b32 %a, %b, %c, %d, %e, %t; .reg .b64 %w<4>, %pa, %pb, %pc, %pd; .reg .f64 %x<3>;\n\
         .reg .b16 %h; .shared .align 16 .b8 s[256];\n\
         mov.u32 %t, %tid.x;\n\
         ld.param.u64 %pa, [p_a]; mad.wide.u32 %pa, %t, 4, %pa; ld.global.b32 %a, [%pa];\n\
         ld.param.u64 %pb, [p_b]; mad.wide.u32 %pb, %t, 4, %pb; ld.global.b32 %b, [%pb];\n\
         ld.param.u64 %pc, [p_c]; mad.wide.u32 %pc, %t, 4, %pc; ld.global.b32 %c, [%pc];\n\
         {body}\n\
         ld.param.u64 %pd, [p_d]; mad.wide.u32 %pd, %t, 4, %pd; st.global.b32 [%pd], %d;\nret;\n}}"
    );
    let mut emulator = loaded(&text);
    let mut args = Vec::new();
    for values in [a, b, c] {
        args.push(Arg::Buffer(Buffer::read(upload(&mut emulator, values).unwrap(), 128)));
    }
    let d = emulator.alloc(128).unwrap();
    args.push(Arg::Buffer(Buffer::write(d, 128)));
    let launch = Launch { entry: "k", grid: [1; 3], block: [32, 1, 1], cluster: 1, shared_bytes: 0, args };
    emulator.launch(&launch).unwrap_or_else(|error| panic!("{body}: {error}"));
    download(&mut emulator, d, 32).unwrap()
}

/// Whole numbers of all sizes and signs.
fn integers(seed: u64) -> [u32; 32] {
    let philox = inkgrad_kernels::cpu::rng::Philox::new(seed, 1);
    std::array::from_fn(|lane| philox.block(lane as u64)[0] >> (lane % 29))
}

#[test]
fn integers_compute() {
    let (a, b, c) = (integers(1), integers(2), integers(3));
    let signed = |x: u32| x.cast_signed();
    let wide = |x: u32, y: u32| u64::from(x) * u64::from(y);
    let check = |body: &str, expected: &dyn Fn(u32, u32, u32) -> u32| {
        let found = lanes(body, &a, &b, &c);
        for lane in 0..32 {
            let (x, y, z) = (a[lane], b[lane], c[lane]);
            assert_eq!(found[lane], expected(x, y, z), "{body}: lane {lane}: {x:#x} {y:#x} {z:#x}");
        }
    };
    check("add.u32 %d, %a, %b;", &|x, y, _| x.wrapping_add(y));
    check("sub.s32 %d, %a, %b;", &|x, y, _| x.wrapping_sub(y));
    check("mul.lo.u32 %d, %a, %b;", &|x, y, _| x.wrapping_mul(y));
    check("mul.hi.u32 %d, %a, %b;", &|x, y, _| (wide(x, y) >> 32) as u32);
    check("mul.hi.s32 %d, %a, %b;", &|x, y, _| ((i64::from(signed(x)) * i64::from(signed(y))) >> 32) as u32);
    check("mad.lo.s32 %d, %a, %b, %c;", &|x, y, z| x.wrapping_mul(y).wrapping_add(z));
    check("mad.hi.u32 %d, %a, %b, %c;", &|x, y, z| ((wide(x, y) >> 32) as u32).wrapping_add(z));
    check("mul.wide.u32 %w0, %a, %b; mov.b64 {%e, %d}, %w0;", &|x, y, _| (wide(x, y) >> 32) as u32);
    check("mad.wide.s32 %w0, %a, %b, 5; cvt.u32.u64 %d, %w0;", &|x, y, _| x.wrapping_mul(y).wrapping_add(5));
    check("max.u32 %e, %b, 1; div.u32 %d, %a, %e;", &|x, y, _| x / y.max(1));
    check("max.u32 %e, %b, 1; rem.u32 %d, %a, %e;", &|x, y, _| x % y.max(1));
    check("or.b32 %e, %b, 1; div.s32 %d, %a, %e;", &|x, y, _| signed(x).wrapping_div(signed(y | 1)).cast_unsigned());
    check("min.s32 %d, %a, %b;", &|x, y, _| signed(x).min(signed(y)).cast_unsigned());
    check("max.s32 %d, %a, -7;", &|x, _, _| signed(x).max(-7).cast_unsigned());
    check("abs.s32 %d, %a;", &|x, _, _| signed(x).wrapping_abs().cast_unsigned());
    check("neg.s32 %d, %a;", &|x, _, _| x.wrapping_neg());
    check("and.b32 %d, %a, %b; xor.b32 %d, %d, %c; or.b32 %d, %d, 1; not.b32 %d, %d;", &|x, y, z| !(((x & y) ^ z) | 1));
    check("lop3.b32 %d, %a, %b, %c, 0xCA;", &|x, y, z| (x & y) | (!x & z));
    check("and.b32 %e, %b, 63; shl.b32 %d, %a, %e;", &|x, y, _| x.checked_shl(y & 63).unwrap_or(0));
    check("and.b32 %e, %b, 63; shr.u32 %d, %a, %e;", &|x, y, _| x.checked_shr(y & 63).unwrap_or(0));
    check("and.b32 %e, %b, 63; shr.s32 %d, %a, %e;", &|x, y, _| (signed(x) >> (y & 63).min(31)).cast_unsigned());
    check("bfe.u32 %d, %a, 3, 7;", &|x, _, _| x >> 3 & 127);
    check("bfe.s32 %d, %a, 3, 7;", &|x, _, _| (signed(x << 22) >> 25).cast_unsigned());
    check("bfi.b32 %d, %a, %b, 4, 8;", &|x, y, _| y & !0xff0 | (x & 0xff) << 4);
    check("prmt.b32 %d, %a, %b, 0x5410;", &|x, y, _| x & 0xffff | y << 16);
    check("shf.l.wrap.b32 %d, %a, %a, 13;", &|x, _, _| x.rotate_left(13));
    check("popc.b32 %d, %a; clz.b32 %e, %a; mad.lo.u32 %d, %e, 64, %d;", &|x, _, _| {
        x.count_ones() + 64 * x.leading_zeros()
    });
    check("brev.b32 %d, %a;", &|x, _, _| x.reverse_bits());
    check("slct.b32.s32 %d, %a, %b, %c;", &|x, y, z| if signed(z) >= 0 { x } else { y });
}

#[test]
fn wide_integers_compute() {
    let (a, b, c) = (integers(1), integers(2), integers(3));
    let check = |body: &str, expected: &dyn Fn(u64, u64) -> u64| {
        let text = format!(
            "mov.b64 %w0, {{%a, %b}}; mov.b64 %w1, {{%b, %c}}; {body} mov.b64 {{%d, %e}}, %w2; xor.b32 %d, %d, %e;"
        );
        let found = lanes(&text, &a, &b, &c);
        for lane in 0..32 {
            let join = |low: u32, high: u32| u64::from(high) << 32 | u64::from(low);
            let value = expected(join(a[lane], b[lane]), join(b[lane], c[lane]));
            assert_eq!(found[lane], value as u32 ^ (value >> 32) as u32, "{body}: lane {lane}");
        }
    };
    check("add.u64 %w2, %w0, %w1;", &u64::wrapping_add);
    check("sub.s64 %w2, %w0, %w1;", &u64::wrapping_sub);
    check("mul.lo.u64 %w2, %w0, %w1;", &u64::wrapping_mul);
    check("mad.lo.u64 %w2, %w0, %w1, 3;", &|x, y| x.wrapping_mul(y).wrapping_add(3));
    check("shl.b64 %w2, %w0, 20; xor.b64 %w2, %w2, %w1;", &|x, y| x << 20 ^ y);
    check("shr.u64 %w2, %w0, 20;", &|x, _| x >> 20);
    check("shr.s64 %w2, %w0, 20;", &|x, _| (x.cast_signed() >> 20).cast_unsigned());
    check("setp.lt.s64 %p, %w0, %w1; selp.b64 %w2, %w0, %w1, %p;", &|x, y| {
        x.cast_signed().min(y.cast_signed()).cast_unsigned()
    });
    check("cvt.s64.s32 %w2, %a;", &|x, _| i64::from((x as u32).cast_signed()).cast_unsigned());
}

#[test]
fn floats_compute() {
    let (a, b, c) = (numbers(32, 1), numbers(32, 2), numbers(32, 3));
    let bits = |values: &[f32]| -> [u32; 32] { std::array::from_fn(|lane| values[lane].to_bits()) };
    // `tolerance` is relative; 0 asks for the same bits.
    let check = |body: &str, tolerance: f32, expected: &dyn Fn(f32, f32, f32) -> f32| {
        let found = lanes(body, &bits(&a), &bits(&b), &bits(&c));
        for lane in 0..32 {
            let (found, wanted) = (f32::from_bits(found[lane]), expected(a[lane], b[lane], c[lane]));
            let close = (found - wanted).abs() <= tolerance * wanted.abs().max(1e-3);
            assert!(found.to_bits() == wanted.to_bits() || close, "{body}: lane {lane}: {found} {wanted}");
        }
    };
    check("add.f32 %d, %a, %b;", 0.0, &|x, y, _| x + y);
    check("sub.rn.f32 %d, %a, %b;", 0.0, &|x, y, _| x - y);
    check("mul.f32 %d, %a, %b;", 0.0, &|x, y, _| x * y);
    check("div.rn.f32 %d, %a, %b;", 0.0, &|x, y, _| x / y);
    check("fma.rn.f32 %d, %a, %b, %c;", 0.0, &|x, y, z| x.mul_add(y, z));
    check("min.f32 %d, %a, %b; max.f32 %d, %d, %c;", 0.0, &|x, y, z| x.min(y).max(z));
    check("neg.f32 %d, %a; abs.f32 %d, %d;", 0.0, &|x, _, _| x.abs());
    check("mov.b32 %e, 0f7FC00000; max.f32 %d, %a, %e;", 0.0, &|x, _, _| x);
    check("min.NaN.f32 %d, %a, %b; max.NaN.f32 %d, %d, %c;", 0.0, &|x, y, z| x.min(y).max(z));
    check("mov.b32 %e, 0f7FC00000; max.NaN.f32 %d, %e, %a; min.NaN.f32 %d, %a, %d;", 0.0, &|_, _, _| f32::NAN);
    check("rcp.rn.f32 %d, %a;", 0.0, &|x, _, _| 1.0 / x);
    check("abs.f32 %e, %a; sqrt.rn.f32 %d, %e;", 0.0, &|x, _, _| x.abs().sqrt());
    check("abs.f32 %e, %a; rsqrt.approx.f32 %d, %e;", 3e-7, &|x, _, _| 1.0 / x.abs().sqrt());
    check("ex2.approx.f32 %d, %a;", 3e-7, &|x, _, _| x.exp2());
    check("abs.f32 %e, %a; lg2.approx.f32 %d, %e;", 3e-4, &|x, _, _| x.abs().log2());
    check("tanh.approx.f32 %d, %a;", 5e-4, &|x, _, _| x.tanh());
    check("sin.approx.f32 %d, %a;", 5e-4, &|x, _, _| x.sin());
    check("cos.approx.f32 %d, %a;", 5e-4, &|x, _, _| x.cos());
    check("mul.f32 %e, %a, 10.0; cvt.rni.f32.f32 %d, %e;", 0.0, &|x, _, _| (x * 10.0).round_ties_even());
    check("mul.f32 %e, %a, 10.0; cvt.rzi.s32.f32 %e, %e; cvt.rn.f32.s32 %d, %e;", 0.0, &|x, _, _| {
        (x * 10.0).trunc() + 0.0
    });
    check("mul.f32 %e, %a, 10.0; cvt.rmi.f32.f32 %d, %e;", 0.0, &|x, _, _| (x * 10.0).floor());
    check("cvt.rna.tf32.f32 %d, %a;", 0.0, &|x, _, _| f32::from_bits((x.to_bits() + 0x1000) & !0x1fff));
    check("cvt.sat.f32.f32 %d, %a;", 0.0, &|x, _, _| x.clamp(0.0, 1.0));
    check(
        "cvt.f64.f32 %x0, %a; cvt.f64.f32 %x1, %b; fma.rn.f64 %x2, %x0, %x1, %x0; cvt.rn.f32.f64 %d, %x2;",
        0.0,
        &|x, y, _| f64::from(x).mul_add(f64::from(y), f64::from(x)) as f32,
    );
    check("setp.lt.f32 %p, %a, %b; selp.f32 %d, %a, %b, %p;", 0.0, &|x, y, _| x.min(y));
    check("setp.gt.f32 %p, %a, 0.0; setp.lt.and.f32 %q, %a, %b, %p; selp.f32 %d, 1.0, 2.0, %q;", 0.0, &|x, y, _| {
        if x > 0.0 && x < y { 1.0 } else { 2.0 }
    });
    check("setp.gt.f32 %p|%q, %a, %b; selp.f32 %d, 1.0, 2.0, %q;", 0.0, &|x, y, _| if x > y { 2.0 } else { 1.0 });
    check(
        "setp.gt.f32 %p, %a, 0.0; setp.gt.f32 %q, %b, 0.0; xor.pred %p, %p, %q; not.pred %q, %p; selp.f32 %d, %a, %b, %q;",
        0.0,
        &|x, y, _| if (x > 0.0) == (y > 0.0) { x } else { y },
    );
}

#[test]
fn branches_part_lanes_and_join_them() {
    // Each lane counts down from its own number; then all are together again.
    let a = std::array::from_fn(|lane| (lane as u32 * 7) % 13 + 1);
    let body = "mov.u32 %d, 0; mov.u32 %e, %a;\nagain: add.u32 %d, %d, %e; sub.u32 %e, %e, 1; setp.ne.u32 %p, %e, 0;\n\
                @%p bra again;\nactivemask.b32 %e; setp.ne.u32 %p, %e, -1; @%p mov.u32 %d, 0;";
    let found = lanes(body, &a, &a, &a);
    assert!(found.iter().zip(a).all(|(found, a)| *found == a * (a + 1) / 2), "{found:?}");
    let body = "and.b32 %e, %t, 1; setp.eq.u32 %p, %e, 0; @%p bra even; mul.lo.u32 %d, %t, 3; bra.uni done;\n\
                even: add.u32 %d, %t, 100;\ndone: bar.warp.sync 0xffffffff;";
    let found = lanes(body, &a, &a, &a);
    assert!((0..32).all(|t| found[t as usize] == if t % 2 == 0 { t + 100 } else { 3 * t }), "{found:?}");
}

#[test]
fn lanes_exchange_values() {
    let a = integers(5);
    let check = |body: &str, expected: &dyn Fn(usize) -> u32| {
        let found = lanes(body, &a, &a, &a);
        (0..32).for_each(|lane| assert_eq!(found[lane], expected(lane), "{body}: lane {lane}"));
    };
    check("shfl.sync.up.b32 %d, %a, 3, 0, -1;", &|lane| a[lane.checked_sub(3).unwrap_or(lane)]);
    check("shfl.sync.down.b32 %d, %a, 3, 31, -1;", &|lane| a[if lane < 29 { lane + 3 } else { lane }]);
    check("shfl.sync.bfly.b32 %d, %a, 5, 31, -1;", &|lane| a[lane ^ 5]);
    check("shfl.sync.idx.b32 %d, %a, 9, 31, -1;", &|_| a[9]);
    // Segments of 8 lanes; the predicate tells who read another.
    check("shfl.sync.down.b32 %d|%p, %a, 2, 0x1807, -1; @!%p mov.u32 %d, 0;", &|lane| {
        if lane % 8 < 6 { a[lane + 2] } else { 0 }
    });
    let odd = (0..32).filter(|lane| a[*lane] & 1 == 1).fold(0u32, |mask, lane| mask | 1 << lane);
    check("and.b32 %e, %a, 1; setp.eq.u32 %p, %e, 1; vote.sync.ballot.b32 %d, %p, -1;", &|_| odd);
    check("setp.lt.u32 %p, %t, 40; vote.sync.all.pred %q, %p, -1; selp.u32 %d, 1, 0, %q;", &|_| 1);
    check("setp.lt.u32 %p, %t, 3; vote.sync.any.pred %q, !%p, -1; selp.u32 %d, 1, 0, %q;", &|_| 1);
    check("redux.sync.add.u32 %d, %a, -1;", &|_| a.iter().fold(0, |sum, x| sum.wrapping_add(*x)));
    check("mov.u32 %d, %lanemask_lt; popc.b32 %d, %d;", &|lane| lane as u32);
}

#[test]
fn memory_of_all_kinds_is_read_and_written() {
    let a = integers(5);
    let check = |body: &str, expected: &dyn Fn(usize) -> u32| {
        let found = lanes(body, &a, &a, &a);
        (0..32).for_each(|lane| assert_eq!(found[lane], expected(lane), "{body}: lane {lane}"));
    };
    let own = "mov.u32 %c, s; shl.b32 %e, %t, 2; add.u32 %e, %c, %e; st.shared.u32 [%e], %a; bar.warp.sync -1;";
    check(&format!("{own} ld.shared.u32 %d, [s + 4*(31 - 28)];"), &|_| a[3]);
    check(&format!("{own} xor.b32 %e, %e, 4; ld.shared.u32 %d, [%e];"), &|lane| a[lane ^ 1]);
    check(&format!("{own} xor.b32 %e, %e, 3; ld.shared.u8 %d, [%e];"), &|lane| a[lane] >> 24);
    check(&format!("{own} xor.b32 %e, %e, 2; ld.shared.s16 %h, [%e]; cvt.s32.s16 %d, %h;"), &|lane| {
        (a[lane].cast_signed() >> 16).cast_unsigned()
    });
    check(&format!("{own} and.b32 %e, %e, -8; ld.shared.v2.u32 {{%c, %d}}, [%e];"), &|lane| a[lane | 1]);
    check("ld.const.f32 %e, [table + 8]; cvt.rzi.s32.f32 %d, %e;", &|_| (-3i32).cast_unsigned());
    check("mov.u64 %w0, %pa; ld.global.nc.u32 %d, [%w0];", &|lane| a[lane]);
    check(
        "setp.eq.u32 %p, %t, 0; mov.u32 %e, 7; @%p st.shared.u32 [s], %e; bar.warp.sync -1;\n\
         atom.shared.add.u32 %c, [s], 1; red.shared.max.u32 [s], 20; bar.warp.sync -1; ld.shared.u32 %d, [s];",
        &|_| 39,
    );
}

#[test]
fn steps_of_a_thread_are_shown() {
    let mut emulator = loaded(AXPY);
    let x = upload(&mut emulator, &[1.5f32; 300]).unwrap();
    let args = vec![
        Arg::Buffer(Buffer::read(x, 1200)),
        Arg::Buffer(Buffer::read_write(x, 1200)),
        Arg::U32(300),
        Arg::F32(2.0),
    ];
    let launch = Launch { entry: "axpy", grid: [2, 1, 1], block: [256, 1, 1], cluster: 1, shared_bytes: 0, args };
    let mut steps = Vec::new();
    emulator
        .trace(&launch, 1, 40, &mut |step| {
            steps.push(step.clone());
            true
        })
        .unwrap();
    let line = |part: &str| steps.iter().find(|step| step.text.contains(part)).unwrap();
    assert_eq!(line("mad.lo").writes, [("%i".to_owned(), "296".to_owned())]);
    assert!(line("mad.lo").text.ends_with("// and in the grid"));
    assert!(!steps.iter().find(|step| step.text.contains("ret")).unwrap().executed);
    assert_eq!(line("fma").writes[0].1, "4.5");
    assert_eq!(line("fma").active, 12);
    assert!(emulator.trace(&launch, 2, 0, &mut |_| true).is_err());
    assert!(emulator.trace(&launch, 0, 256, &mut |_| true).is_err());
}
