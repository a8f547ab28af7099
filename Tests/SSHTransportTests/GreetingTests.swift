import Testing

@testable import SSHTransport

@Suite("The lines before SSH begins")
struct GreetingTests {
    @Test("the version line and what follows it belong to SSH, lines before it do not")
    func banner() {
        var greeting = Greeting()
        #expect(greeting.take(Array("hello\r\n\r\nSSH-2.0-x\r\nrest".utf8)) == Array("SSH-2.0-x\r\nrest".utf8))
        #expect(greeting.state == .done)
        #expect(greeting.firstLine == "hello")
        #expect(greeting.take([1, 2, 3]) == [1, 2, 3])
    }

    @Test("it does not matter how the bytes are cut")
    func pieces() {
        let bytes = Array("first\nsecond\nSSH-1.99-both\nrest".utf8)
        for cut in 0...bytes.count {
            var greeting = Greeting()
            let taken = greeting.take(bytes[..<cut]) + greeting.take(bytes[cut...])
            #expect(taken == Array("SSH-1.99-both\nrest".utf8))
        }
    }

    @Test("255 lines are allowed, one more is not")
    func manyLines() {
        var greeting = Greeting()
        for _ in 0..<255 { #expect(greeting.take(Array("wait\n".utf8)).isEmpty) }
        #expect(greeting.state == .waiting)
        #expect(greeting.take(Array("wait\n".utf8)).isEmpty)
        #expect(greeting.state == .notSSH("more than 255 lines came before any SSH version"))
    }

    @Test(
        "a line that does not end, and an old version, are refused",
        arguments: [
            (String(repeating: "x", count: 1024), "a line of more than 1024 bytes"),
            ("SSH-1.5-old\n", "it speaks only SSH-1.5-old"),
        ]
    )
    func refused(text: String, reason: String) {
        var greeting = Greeting()
        #expect(greeting.take(Array(text.utf8)).isEmpty)
        #expect(greeting.state == .notSSH(reason))
    }

    @Test("only silence and sshd's own excuse make a second try worthwhile")
    func turnedAway() {
        #expect(Greeting().isEmptyOrThrottled)
        var throttled = Greeting()
        _ = throttled.take(Array("Exceeded MaxStartups\r\n".utf8))
        #expect(throttled.isEmptyOrThrottled)
        var other = Greeting()
        _ = other.take(Array("HTTP/1.1 400 Bad Request\r\n".utf8))
        #expect(!other.isEmptyOrThrottled)
        var half = Greeting()
        _ = half.take(Array("HTT".utf8))
        #expect(!half.isEmptyOrThrottled)
    }
}
