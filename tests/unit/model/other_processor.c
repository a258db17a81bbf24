/* Shows a program another x86-64 processor: each CPUID instruction traps (arch_prctl(2), ARCH_SET_CPUID, which needs
 * Linux and a processor with "CPUID faulting") and is answered here, without AVX-512 and with the maker that MAKER names.
 * Libraries choose their code by what CPUID says, so they compute as they would on such a processor.
 *
 * gcc -shared -fPIC -o other_processor.so other_processor.c; MAKER=AuthenticAMD LD_PRELOAD=./other_processor.so program
 * As a program of its own (gcc -DCHECK) it exits with 0 where CPUID can be made to trap.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define ARCH_SET_CPUID 0x1012

static const char *maker;

static long let_cpuid_run(unsigned long yes) { return syscall(SYS_arch_prctl, ARCH_SET_CPUID, yes); }

static void hide_avx512(unsigned leaf, unsigned subleaf, unsigned *eax, unsigned *ebx, unsigned *ecx, unsigned *edx) {
    if (leaf == 7 && subleaf == 0) { /* Intel SDM, vol. 2A, CPUID, table 3-8 */
        *ebx &= ~(1u << 16 | 1u << 17 | 1u << 21 | 1u << 26 | 1u << 27 | 1u << 28 | 1u << 30 | 1u << 31);
        *ecx &= ~(1u << 1 | 1u << 6 | 1u << 11 | 1u << 12 | 1u << 14);
        *edx &= ~(1u << 2 | 1u << 3 | 1u << 8 | 1u << 22 | 1u << 23 | 1u << 24 | 1u << 25);
    }
    if (leaf == 7 && subleaf == 1) *eax &= ~(1u << 4 | 1u << 5 | 1u << 21 | 1u << 23), *edx = 0;
    if (leaf == 0x24) *eax = *ebx = *ecx = *edx = 0; /* AVX10 */
}

static void be_made_by(const char *name, unsigned leaf, unsigned *eax, unsigned *ebx, unsigned *ecx, unsigned *edx) {
    int is_amd = strcmp(name, "AuthenticAMD") == 0;
    if (leaf == 0 || (leaf == 0x80000000u && is_amd))
        memcpy(ebx, name, 4), memcpy(edx, name + 4, 4), memcpy(ecx, name + 8, 4);
    if (leaf == 1 && is_amd) *eax = 0x00830f10; /* family 17h, model 31h: an EPYC of the second generation */
}

static void answer(int number, siginfo_t *info, void *context) {
    greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;
    const unsigned char *at = (const unsigned char *)regs[REG_RIP];
    unsigned leaf = regs[REG_RAX], subleaf = regs[REG_RCX], eax, ebx, ecx, edx;
    (void)info;
    if (at[0] != 0x0f || at[1] != 0xa2) { /* no CPUID: a real fault, which happens again and ends the program */
        signal(number, SIG_DFL);
        return;
    }
    let_cpuid_run(1);
    __asm__ volatile("cpuid" : "=a"(eax), "=b"(ebx), "=c"(ecx), "=d"(edx) : "a"(leaf), "c"(subleaf));
    let_cpuid_run(0);
    hide_avx512(leaf, subleaf, &eax, &ebx, &ecx, &edx);
    be_made_by(maker, leaf, &eax, &ebx, &ecx, &edx);
    regs[REG_RAX] = eax, regs[REG_RBX] = ebx, regs[REG_RCX] = ecx, regs[REG_RDX] = edx;
    regs[REG_RIP] += 2;
}

#ifdef CHECK
int main(void) { return let_cpuid_run(0) == 0 ? 0 : 1; }
#else
__attribute__((constructor)) static void begin(void) {
    struct sigaction action;
    maker = getenv("MAKER");
    if (maker == NULL || strlen(maker) != 12) return;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = answer;
    action.sa_flags = SA_SIGINFO | SA_NODEFER;
    if (sigaction(SIGSEGV, &action, NULL) != 0 || let_cpuid_run(0) != 0) _exit(125);
}
#endif
