import Testing

@testable import Manifests

@Suite("Forms of scalars")
struct ScalarFormTests {
    @Test("a number has one text, and every 64-bit number has one")
    func integers() {
        var random = SplitMix64(seed: 21)
        for value in [0, 1, -1, .min, .max] + (0..<500).map({ _ in Int64(truncatingIfNeeded: random.next()) }) {
            #expect(ScalarForms.integer(String(value)) == value)
        }
        let alphabet = Array("0123456789-+_ex. ")
        for _ in 0..<5000 {
            let length = 1 + Int(random.next() % 5)
            let text = String((0..<length).map { _ in alphabet[Int(random.next() % UInt64(alphabet.count))] })
            if let value = ScalarForms.integer(text) { #expect(String(value) == text) }
        }
    }

    @Test(
        "durations are a whole number and a unit",
        arguments: [("0s", 0), ("90s", 90), ("10m", 600), ("26h", 93600), ("1d", 86400), ("3650d", 315_360_000)]
    )
    func durations(_ text: String, _ seconds: Int64) throws {
        let duration = try #require(ScalarForms.duration(text))
        #expect(duration == .seconds(seconds))
        #expect(ScalarForms.duration(ScalarForms.text(duration)) == duration)
    }

    @Test(
        "other texts are no durations",
        arguments: [
            "", "s", "10", "-1s", "+1s", "01s", "1.5h", "1 h", "1h30m", "10ms", "1w", "3651d", "9223372036854775807d",
            "99999999999999999999s", "1é",
        ]
    )
    func badDurations(_ text: String) { #expect(ScalarForms.duration(text) == nil) }

    @Test("Kubernetes versions have three numbers")
    func versions() {
        for text in ["1.31.4", "v1.31.4", "1.9.0", "v0.0.0"] { #expect(ScalarForms.isKubernetesVersion(text)) }
        for text in ["", "v", "1.31", "1.31.4.5", "1.031.4", "1.31.-4", "V1.31.4", "1.31.x", "1..4", "latest"] {
            #expect(!ScalarForms.isKubernetesVersion(text), "\(text)")
        }
    }

    @Test("recipients pass the checksum of BIP 173, and one wrong letter fails it")
    func recipients() {
        let key = "age1qqqsyqcyq5rqwzqfpg9scrgwpugpzysnzs23v9ccrydpk8qarc0savhh7m"
        #expect(AgeRecipient.check(key) == .valid)
        let letters = Array(key)
        for index in 4..<letters.count {
            var mistyped = letters
            mistyped[index] = letters[index] == "q" ? "p" : "q"
            #expect(AgeRecipient.check(String(mistyped)) == .damaged)
        }
        #expect(AgeRecipient.check("-----BEGIN OPENSSH PRIVATE KEY-----") == .secret)
        #expect(AgeRecipient.check("age-secret-key-1qqq") == .secret)
        #expect(AgeRecipient.check("AGE1QQQ") == .unknown)
    }
}
