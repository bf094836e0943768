//! A counter-based random stream: number `k` of stream `seed` needs no state and no predecessor, so every worker,
//! test and report draws the same values without talking to each other.

/// Well-mixed 64 bits for `(seed, counter)`: the finaliser of `SplitMix64` over a golden-ratio sequence, run twice so
/// that neighbouring seeds share nothing.
pub fn bits(seed: u64, counter: u64) -> u64 {
    mix(mix(seed.wrapping_mul(GOLDEN) ^ GOLDEN).wrapping_add(counter.wrapping_mul(GOLDEN)))
}

/// Uniform in (0, 1]: never 0, so that its logarithm is finite.
pub fn uniform(seed: u64, counter: u64) -> f64 {
    ((bits(seed, counter) >> 11) + 1) as f64 / (1u64 << 53) as f64
}

/// Exponential with mean 1. `libm` instead of the platform's logarithm: the list must be the same on every machine.
pub fn exponential(seed: u64, counter: u64) -> f64 {
    -libm::log(uniform(seed, counter))
}

const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponential_has_mean_and_variance_one() {
        let n = 200_000;
        let values: Vec<f64> = (0..n).map(|k| exponential(7, k)).collect();
        let mean = values.iter().sum::<f64>() / n as f64;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n as f64;
        assert!((mean - 1.0).abs() < 0.012, "mean {mean}");
        assert!((variance - 1.0).abs() < 0.04, "variance {variance}");
    }

    #[test]
    fn neighbouring_seeds_are_unrelated() {
        let n = 100_000u64;
        let product: f64 = (0..n).map(|k| (uniform(1, k) - 0.5) * (uniform(2, k) - 0.5)).sum();
        // Standard deviation of the sum is sqrt(n)/12; five of them.
        assert!(product.abs() < 5.0 * (n as f64).sqrt() / 12.0, "correlated: {product}");
    }
}
