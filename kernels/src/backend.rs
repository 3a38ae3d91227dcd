//! [`Backend`]: which instruction set the kernels use, as far as this machine has it.

/// An instruction set that this machine has been seen to have.
///
/// Values are made only by [`Backend::best`] and [`Backend::named`], after asking the processor, so holding one is the proof
/// that its instructions may be executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backend(pub(crate) Kind);

/// The instruction sets there is code for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Relaxed atomics and plain arithmetic.
    Scalar,
    /// AVX2, FMA, BMI1, BMI2 and POPCNT.
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    Avx2,
    /// AVX-512 F, DQ, BW and VL.
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    Avx512,
    /// NEON, which every 64-bit Arm has.
    #[cfg(all(target_arch = "aarch64", not(miri)))]
    Neon,
}

impl Backend {
    /// The fastest backend of this machine.
    pub fn best() -> Self {
        Self::all().last().unwrap_or(Self(Kind::Scalar))
    }

    /// Every backend of this machine, the slowest first.
    pub fn all() -> impl Iterator<Item = Self> {
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        let found = {
            let (avx2, avx512) = detect::x86_64();
            [Some(Kind::Scalar), avx2.then_some(Kind::Avx2), avx512.then_some(Kind::Avx512)]
        };
        #[cfg(all(target_arch = "aarch64", not(miri)))]
        let found = [Some(Kind::Scalar), Some(Kind::Neon)];
        #[cfg(any(not(any(target_arch = "x86_64", target_arch = "aarch64")), miri))]
        let found = [Some(Kind::Scalar)];
        found.into_iter().flatten().map(Self)
    }

    /// The backend called `name` ("scalar", "avx2", "avx512", "neon"), if this machine has it.
    pub fn named(name: &str) -> Option<Self> {
        Self::all().find(|backend| backend.name() == name)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self.0 {
            Kind::Scalar => "scalar",
            #[cfg(all(target_arch = "x86_64", not(miri)))]
            Kind::Avx2 => "avx2",
            #[cfg(all(target_arch = "x86_64", not(miri)))]
            Kind::Avx512 => "avx512",
            #[cfg(all(target_arch = "aarch64", not(miri)))]
            Kind::Neon => "neon",
        }
    }
}

#[cfg(all(target_arch = "x86_64", not(miri)))]
mod detect {
    use core::arch::x86_64::{__cpuid, __cpuid_count, _xgetbv};

    /// Whether AVX2 with FMA, BMI1, BMI2 and POPCNT, and AVX-512 F, DQ, BW, VL may be used: the processor has them and the
    /// system saves their registers (Intel SDM volume 1, 13.2 and 14.3). Every feature that anything enables, or that rustc takes
    /// to come with one of them (F16C with AVX-512), is asked for: a hypervisor may mask any of them alone.
    pub(super) fn x86_64() -> (bool, bool) {
        let bit = |word: u32, at: u32| word >> at & 1 == 1;
        if __cpuid(0).eax < 7 {
            return (false, false);
        }
        let basic = __cpuid(1).ecx;
        let (fma, osxsave, avx, f16c) = (bit(basic, 12), bit(basic, 27), bit(basic, 28), bit(basic, 29));
        let popcnt = bit(basic, 23);
        if !(fma && osxsave && avx && popcnt) {
            return (false, false);
        }
        let saved = saved_registers();
        let extended = __cpuid_count(7, 0).ebx;
        let (bmi1, avx2, bmi2) = (bit(extended, 3), bit(extended, 5), bit(extended, 8));
        let avx2 = saved & 0b110 == 0b110 && avx2 && bmi1 && bmi2;
        let avx512 = [16, 17, 30, 31].into_iter().all(|at| bit(extended, at)) && saved & 0b1110_0110 == 0b1110_0110;
        (avx2, avx2 && avx512 && f16c)
    }

    /// XCR0.
    fn saved_registers() -> u64 {
        #[target_feature(enable = "xsave")]
        fn xcr0() -> u64 {
            // SAFETY: register 0 exists wherever XGETBV does.
            unsafe { _xgetbv(0) }
        }
        // SAFETY: called only where CPUID says OSXSAVE, which implies XSAVE and a system that has enabled it.
        unsafe { xcr0() }
    }
}
