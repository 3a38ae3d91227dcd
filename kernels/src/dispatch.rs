//! From a [`Backend`], known at run time, to code compiled for it: the functions that are entered once a call, with the
//! instruction set switched on, and inside which everything written over a [`Lane`] runs.
//!
//! What flows in: a [`Work`] to be done now, or a [`Loop`] to be chosen now and run often. What flows out: the work done, or a [`Run`].

#[cfg(all(target_arch = "aarch64", not(miri)))]
use crate::aarch64::neon::Neon;
use crate::backend::{Backend, Kind};
use crate::group::Group;
use crate::lane::Lane;
use crate::scalar::Scalar;
#[cfg(all(target_arch = "x86_64", not(miri)))]
use crate::x86_64::{avx2::Avx2, avx512::Avx512};

/// Something written over a [`Lane`], to be run on a backend.
pub(crate) trait Work {
    /// # Safety
    /// The instruction set of `V`.
    unsafe fn run<V: Lane>(self);
}

impl Backend {
    /// Runs `work` on this backend.
    pub(crate) fn run<W: Work>(self, work: W) {
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        #[target_feature(enable = "avx2,fma,bmi2")]
        unsafe fn avx2<W: Work>(work: W) {
            // SAFETY: the caller's promise.
            unsafe { work.run::<Avx2>() }
        }
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        #[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,avx2,fma,bmi2")]
        unsafe fn avx512<W: Work>(work: W) {
            // SAFETY: the caller's promise.
            unsafe { work.run::<Avx512>() }
        }
        // SAFETY: a `Backend` exists only where its instruction set does.
        unsafe {
            match self.0 {
                Kind::Scalar => work.run::<Scalar>(),
                #[cfg(all(target_arch = "x86_64", not(miri)))]
                Kind::Avx2 => avx2(work),
                #[cfg(all(target_arch = "x86_64", not(miri)))]
                Kind::Avx512 => avx512(work),
                #[cfg(all(target_arch = "aarch64", not(miri)))]
                Kind::Neon => work.run::<Neon>(),
            }
        }
    }
}

/// A row loop compiled for one backend, rule and shape.
pub(crate) type Run = unsafe fn(&mut Group<'_, '_>);

/// A row loop that can be compiled for any backend.
pub(crate) trait Loop {
    /// # Safety
    /// The instruction set of `V`, and what the loop itself asks for.
    unsafe fn run<V: Lane>(group: &mut Group<'_, '_>);
}

/// `L` compiled for `backend`, which alone may be asked to run it.
pub(crate) fn on<L: Loop>(backend: Backend) -> Run {
    match backend.0 {
        Kind::Scalar => always::<L, Scalar>,
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        Kind::Avx2 => avx2::<L>,
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        Kind::Avx512 => avx512::<L>,
        #[cfg(all(target_arch = "aarch64", not(miri)))]
        Kind::Neon => always::<L, Neon>,
    }
}

/// For a `V` that everything is compiled for anyway.
///
/// # Safety
/// That of [`Loop::run`].
unsafe fn always<L: Loop, V: Lane>(group: &mut Group<'_, '_>) {
    // SAFETY: the caller's promise.
    unsafe { L::run::<V>(group) }
}

/// # Safety
/// That of [`Loop::run`].
#[cfg(all(target_arch = "x86_64", not(miri)))]
#[target_feature(enable = "avx2,fma,bmi2")]
unsafe fn avx2<L: Loop>(group: &mut Group<'_, '_>) {
    // SAFETY: the caller's promise.
    unsafe { L::run::<Avx2>(group) }
}

/// # Safety
/// That of [`Loop::run`].
#[cfg(all(target_arch = "x86_64", not(miri)))]
#[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,avx2,fma,bmi2")]
unsafe fn avx512<L: Loop>(group: &mut Group<'_, '_>) {
    // SAFETY: the caller's promise.
    unsafe { L::run::<Avx512>(group) }
}
