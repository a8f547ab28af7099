import Testing

@testable import RemoteShell

@Suite("What to do when sudo refuses")
struct SudoRefusalTests {
    @Test(
        "what sudo says decides what is proposed",
        arguments: [
            ("sudo: a password is required", "becomePasswordFile"),
            ("Sorry, user ops is not allowed to execute '/bin/sh -c x' as root on worker1.", "/bin/sh is what is run"),
            ("ops is not in the sudoers file.", "/bin/sh is what is run"),
            ("sudo: sorry, you must have a tty to run sudo", "!requiretty"),
            ("sh: 1: sudo: not found", "install sudo"),
        ]
    )
    func proposes(said: String, part: String) { #expect(SudoRefusal.next(after: said).contains(part)) }
}
