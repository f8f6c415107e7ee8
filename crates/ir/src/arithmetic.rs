//! What the arithmetic ops mean where Rust has no one word for it. `None` is an exit.

/// `a // b`, rounded down.
pub fn floor_div(a: i64, b: i64) -> Option<i64> {
    let quotient = a.checked_div(b)?;
    Some(if a % b != 0 && (a < 0) != (b < 0) { quotient - 1 } else { quotient })
}

/// `a % b`, with the sign of b.
pub fn modulo(a: i64, b: i64) -> Option<i64> {
    if b == 0 {
        return None;
    }
    let rest = a.wrapping_rem(b);
    Some(if rest != 0 && (rest < 0) != (b < 0) { rest + b } else { rest })
}

/// `a << b` if no bits are lost.
pub fn shift_left(a: i64, b: i64) -> Option<i64> {
    let b = u32::try_from(b).ok().filter(|&b| b < 64)?;
    let shifted = a << b;
    (shifted >> b == a).then_some(shifted)
}

/// `a >> b`, the sign copied.
pub fn shift_right(a: i64, b: i64) -> Option<i64> {
    (b >= 0).then(|| a >> b.min(63))
}

/// How many bits the absolute value takes.
pub fn bit_length(a: i64) -> i64 {
    (64 - a.unsigned_abs().leading_zeros()).into()
}

/// How many numbers there are in a range whose ends and step are of a size that leaves room for computing with them.
pub fn range_len(start: i64, stop: i64, step: i64) -> Option<i64> {
    const LIMIT: i64 = 1 << 60;
    if step == 0 || ![start, stop, step].iter().all(|n| (-LIMIT..LIMIT).contains(n)) {
        return None;
    }
    let (distance, step) = if step > 0 { (stop - start, step) } else { (start - stop, -step) };
    Some(if distance > 0 { (distance - 1) / step + 1 } else { 0 })
}

/// `a % b` as Python has it for doubles.
pub fn float_modulo(a: f64, b: f64) -> f64 {
    let rest = a % b;
    if rest == 0.0 {
        0.0_f64.copysign(b)
    } else if (rest < 0.0) != (b < 0.0) {
        rest + b
    } else {
        rest
    }
}

/// The double rounded towards zero.
pub fn truncate(a: f64) -> Option<i64> {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    (-LIMIT..LIMIT).contains(&a).then_some(a as i64)
}

/// Whether it is finite and has no fractional part.
pub fn is_integer(a: f64) -> bool {
    a.fract() == 0.0
}

/// A function's result, unless it is one that Python raises an error for: not a number, or infinite, and the argument was a number, or finite. (The
/// function itself is the C library's, which CPython calls as well, so results are the same to the last bit.)
pub fn known(a: f64, result: f64) -> Option<f64> {
    let fails = result.is_nan() && !a.is_nan() || result.is_infinite() && a.is_finite();
    (!fails).then_some(result)
}

/// The angle between the direction of (1, 0) and that of the point (x, y). Of what is not finite, Python has an idea of its own.
pub fn angle(y: f64, x: f64) -> Option<f64> {
    (y.is_finite() && x.is_finite()).then(|| y.atan2(x))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_at_their_limits() {
        assert_eq!(floor_div(i64::MIN, -1), None);
        assert_eq!(floor_div(-7, 2), Some(-4));
        assert_eq!(floor_div(7, -2), Some(-4));
        assert_eq!(floor_div(1, 0), None);
        assert_eq!(modulo(i64::MIN, -1), Some(0));
        assert_eq!(modulo(-7, 2), Some(1));
        assert_eq!(modulo(7, -2), Some(-1));
        assert_eq!(shift_left(1, 62), Some(1 << 62));
        assert_eq!(shift_left(1, 63), None);
        assert_eq!(shift_left(-1, 63), Some(i64::MIN));
        assert_eq!(shift_left(0, 64), None);
        assert_eq!(shift_right(-5, 1000), Some(-1));
        assert_eq!(shift_right(1, -1), None);
    }

    #[test]
    fn lengths_of_ranges() {
        let len = |a, b, c| range_len(a, b, c);
        assert_eq!([len(0, 5, 1), len(5, 0, 1), len(3, 3, 1), len(5, 0, -1)], [5, 0, 0, 5].map(Some));
        assert_eq!([len(0, 7, 3), len(0, 6, 3), len(7, 0, -3), len(-7, 7, 20)], [3, 2, 3, 1].map(Some));
        let most = (1 << 60) - 1;
        assert_eq!(len(-1 << 60, most, 1), Some((1 << 61) - 1));
        assert_eq!([len(0, most + 1, 1), len(0, 1, 0), len(i64::MIN, 0, 1), len(0, 1, most + 1)], [None; 4]);
    }

    #[test]
    fn doubles_at_their_limits() {
        assert_eq!(float_modulo(-7.0, 2.0), 1.0);
        assert!(float_modulo(4.0, -2.0).is_sign_negative());
        assert_eq!(float_modulo(1.0, f64::NEG_INFINITY), f64::NEG_INFINITY);
        assert!(float_modulo(1.0, 0.0).is_nan());
        assert_eq!(truncate(-9_223_372_036_854_775_808.0), Some(i64::MIN));
        assert_eq!(truncate(9_223_372_036_854_775_808.0), None);
        assert_eq!(truncate(f64::NAN), None);
        assert!([0.0, -0.0, -7.0, 1e300].into_iter().all(is_integer));
        assert!(![0.5, 5e-324, f64::INFINITY, f64::NAN].into_iter().any(is_integer));
    }
}
