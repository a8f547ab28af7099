import Foundation
import Testing

extension LabSuite {
    /// Host keys: nothing is trusted by itself, and one key at a time by its fingerprint.
    @Suite("host keys")
    struct HostKeyTests {
        @Test("are trusted by the right fingerprint only, and a run refuses until then")
        func trusting() async throws {
            let folder = try TemporaryFolder()
            let known = folder.path + "/known_hosts"
            let others = text(of: Lab.here.state + "/known_hosts").split(separator: "\n").filter {
                !$0.hasPrefix("lb2,")
            }
            try Data((others.joined(separator: "\n") + "\n").utf8).write(to: URL(filePath: known))
            let controller = try Controller(knownHosts: known)

            let refused = try await controller.rollbook("run", "nightly-backup", "--yes", "--quiet")
            #expect(refused.code == 11, "\(refused)")
            #expect(refused.errors.contains("rollbook: security: lb2: "), "\(refused)")
            #expect(refused.errors.contains("rollbook hosts trust lb2 --fingerprint SHA256:"), "\(refused)")
            try await controller.expectNothing()

            let scan = try await controller.rollbook("hosts", "scan", "--on", "loadBalancers", "--format", "json")
            #expect(scan.code == 0, "\(scan)")
            let keys = try scan.decode(Scan.self).keys
            #expect(keys.filter { $0.host == "lb2" }.allSatisfy { $0.verdict == "not known" })
            #expect(keys.filter { $0.host == "lb1" }.allSatisfy { $0.verdict == "trusted" })
            let key = try #require(keys.first { $0.host == "lb2" && $0.type == "ssh-ed25519" })

            let wrong = try #require(keys.first { $0.host == "lb1" }).fingerprint
            let mistaken = try await controller.rollbook("hosts", "trust", "lb2", "--fingerprint", wrong)
            #expect(mistaken.code == 11, "\(mistaken)")
            #expect(
                mistaken.errors.contains("it does not offer that key")
                    && mistaken.errors.contains("Nothing was trusted"),
                "\(mistaken)"
            )
            #expect(
                text(of: known).split(separator: "\n").count == others.count
            )
            let garbled = try await controller.rollbook("hosts", "trust", "lb2", "--fingerprint", "SHA256:abc")
            #expect(garbled.code == 2, "\(garbled)")

            let trusted = try await controller.rollbook("hosts", "trust", "lb2", "--fingerprint", key.fingerprint)
            #expect(trusted.code == 0 && trusted.output.contains("is trusted now (added to \(known))"), "\(trusted)")
            #expect(text(of: known).split(separator: "\n").count == others.count + 1)
            let repeated = try await controller.rollbook("hosts", "trust", "lb2", "--fingerprint", key.fingerprint)
            #expect(repeated.code == 0 && repeated.output.contains("was trusted already"), "\(repeated)")
            try await controller.backup()
        }

        private struct Scan: Decodable {
            struct Key: Decodable {
                let host: String
                let type: String
                let fingerprint: String
                let verdict: String
            }
            let keys: [Key]
        }

        @Test("that changed are shown as changed, and cannot be trusted over the known ones")
        func changed() async throws {
            let folder = try TemporaryFolder()
            let known = folder.path + "/known_hosts"
            try FileManager.default.copyItem(atPath: Lab.here.state + "/known_hosts", toPath: known)
            let controller = try Controller(knownHosts: known)
            try await controller.lab.with("hostkey flip lb2") {
                let scan = try await controller.rollbook("hosts", "scan", "--on", "lb2")
                #expect(scan.code == 0 && scan.output.contains("CHANGED"), "\(scan)")
                #expect(!scan.output.contains("hosts trust"), "no invitation to trust a changed key: \(scan)")
                let print = try #require(scan.output.split(separator: " ").first { $0.hasPrefix("SHA256:") })
                    .description
                let trust = try await controller.rollbook("hosts", "trust", "lb2", "--fingerprint", print)
                #expect(trust.code == 11, "\(trust)")
                #expect(trust.errors.contains("rollbook: security: lb2: "), "\(trust)")
            }
            #expect(text(of: known) == text(of: Lab.here.state + "/known_hosts"))
        }
    }
}
