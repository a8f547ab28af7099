import Foundation
import TestSupport
import Testing

extension LabSuite {
    /// Secrets are given wherever one can be given, on the controller and on the hosts, and then looked for everywhere.
    @Suite("secrets", .enabled(if: Lab.isThorough, "make endurance"))
    struct CanaryTests {
        @Test("40 of them appear in no output, state, report, log, command line or environment of either end")
        func canaries() async throws {
            var canaries = Canaries(seed: 16)
            let folder = try TemporaryFolder()
            let passphrase = canaries.secret("passphrase of the key")
            let password = canaries.secret("password for sudo")
            let wrong = canaries.secret("wrong passphrase")
            let ping = canaries.secret("ping URL", plain: true)
            let recipient = try await prepare(folder, passphrase, &canaries)
            for (name, text) in [("passphrase", passphrase), ("password", password), ("wrong", wrong)] {
                try secretFile(folder.path + "/" + name, text)
            }
            let controller = try Controller(backup: [
                "encryption: required", "recipients: [\(recipient)]", "ping: {url: \"http://127.0.0.1:9/\(ping)\"}",
            ])
            try edit(controller.inventory, folder, passphrase: "passphrase")
            let locked = folder.path + "/locked.yaml"
            try Data(text(of: controller.inventory).utf8).write(to: URL(filePath: locked))
            try edit(locked, folder, passphrase: "wrong")
            let hosts = try await giveToHosts(&canaries)
            #expect(canaries.birds.count >= 40)

            let began = try await Lab.here.shell("master1", "date '+%Y-%m-%d %H:%M:%S'")
            var found: [Canaries.Sighting] = []
            let watch = ProcessWatch(for: canaries)
            do {
                found = try await use(controller, locked: locked, identity: folder.path + "/age", canaries)
            } catch {
                _ = watch.stop()
                try await takeFromHosts(hosts)
                throw error
            }
            let (seen, looks) = watch.stop()
            found += seen
            #expect(looks > 1000)
            found += canaries.sightings(below: controller.state)
            for host in ["master1", "worker1", "lb1"] {
                let log = try await Lab.here.shell(host, "journalctl -o export --since \"$1\" || true", began.trimmed)
                found += canaries.sightings(in: Data(log.utf8), at: "the journal of \(host)")
            }
            try await takeFromHosts(hosts)
            #expect(found.isEmpty, "\(Set(found).map(\.description).sorted().joined(separator: "\n"))")
            #expect(try await controller.backups().backups.first?.encrypted == true, "the secrets were in a backup")
        }

        /// Every command at its most talkative; a wrong passphrase, a host that is away, and a controller that is killed.
        private func use(
            _ controller: Controller,
            locked: String,
            identity: String,
            _ canaries: Canaries
        ) async throws -> [Canaries.Sighting] {
            var found: [Canaries.Sighting] = []
            func look(_ answer: Answer) {
                found += canaries.sightings(in: Data(answer.output.utf8), at: "output of \(answer.command)")
                found += canaries.sightings(in: Data(answer.errors.utf8), at: "messages of \(answer.command)")
            }
            func rollbook(_ line: String) async throws -> Answer {
                let answer = try await controller.process(line.split(separator: " ").map(String.init)).run()
                look(answer)
                return answer
            }
            _ = try await rollbook("facts --verbose")
            _ = try await rollbook("facts --format json")
            _ = try await rollbook("plan preflight --format json")
            let killed = try await controller.rollbook("run", "nightly-backup", "--yes", "--verbose") { running in
                try await running.line(with: "begins")
                try? running.kill()
            }
            look(killed)
            let resumed = try await rollbook("resume --verbose")
            #expect(resumed.code == 0, "\(resumed)")
            try await Lab.here.with("sshd stop lb2") {
                _ = try await rollbook("run nightly-backup --yes --format json")
            }
            for line in [
                "run nightly-backup --yes --verbose --inventory \(locked)",
                "plan nightly-backup --verbose --format json",
                "show --verbose", "show --format json", "show --html -", "runs --format json",
                "journal verify --verbose",
                "backups list --verbose", "backups verify --level 2 --identity \(identity)", "backups show --verbose",
                "backups verify --level 2 --identity \(locked)", "health --verbose",
                "schedule nightly-backup --at 02:15",
            ] { _ = try await rollbook(line) }
            return found
        }

        /// A copy of the lab's key under a passphrase, and an age identity; returns its recipient.
        private func prepare(
            _ folder: TemporaryFolder,
            _ passphrase: String,
            _ canaries: inout Canaries
        ) async throws -> String {
            let key = folder.path + "/id"
            let plain = try #require(text(of: Lab.here.inventory).firstMatch(of: #/identityFile: *"?([^"\s]+)/#)?.1)
            try secretFile(key, text(of: String(plain)))
            let locked = try await Process(
                program: "/usr/bin/ssh-keygen",
                arguments: ["-q", "-p", "-P", "", "-N", passphrase, "-a", "1", "-f", key],
                environment: [:]
            ).run()
            #expect(locked.code == 0, "\(locked)")
            let made = try await Process(
                program: "/usr/bin/age-keygen",
                arguments: ["-o", folder.path + "/age"],
                environment: [:]
            ).run()
            let secret = text(of: folder.path + "/age").split(separator: "\n").last { $0.hasPrefix("AGE-SECRET-KEY-") }
            canaries.take("age identity", String(try #require(secret)))
            let words = (made.output + made.errors).split(whereSeparator: \.isWhitespace)
            return String(try #require(words.last { $0.hasPrefix("age1") }))
        }

        private func secretFile(_ path: String, _ text: String) throws {
            let made = FileManager.default.createFile(
                atPath: path,
                contents: Data(text.utf8),
                attributes: [.posixPermissions: 0o600]
            )
            #expect(made)
        }

        /// Another key and its passphrase, and a password for sudo, in an inventory of the lab.
        private func edit(_ inventory: String, _ folder: TemporaryFolder, passphrase: String) throws {
            var lines = text(of: inventory).split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
            lines.removeAll { $0.contains("passphraseFile:") || $0.contains("becomePasswordFile:") }
            let place = try #require(lines.firstIndex { $0.hasPrefix("  identityFile:") })
            lines[place] = "  identityFile: \(folder.path)/id"
            lines.insert("  passphraseFile: \(folder.path)/\(passphrase)", at: place + 1)
            lines.insert("  becomePasswordFile: \(folder.path)/password", at: place + 2)
            try Data(lines.joined(separator: "\n").utf8).write(to: URL(filePath: inventory))
        }

        private static let folders = [
            "master1": "/etc/kubernetes/canaries", "master2": "/etc/kubernetes/canaries",
            "master3": "/etc/kubernetes/pki/canaries", "lb1": "/etc/keepalived/canaries",
        ]

        /// Six secrets in files of each of four hosts that backups take, and twelve in Secrets of Kubernetes.
        private func giveToHosts(_ canaries: inout Canaries) async throws -> [String] {
            for (host, folder) in Self.folders.sorted(by: { $0.key < $1.key }) {
                for number in 1...6 {
                    let text = canaries.secret("file \(number) on \(host)")
                    try await Lab.here.shell(
                        host,
                        "umask 077; mkdir -p \"$1\"; printf '%s\\n' \"$3\" >\"$1/$2.key\"",
                        folder,
                        "\(number)",
                        text
                    )
                }
            }
            for number in 1...12 {
                let text = canaries.secret("Kubernetes Secret \(number)", plain: true)
                let object =
                    #"{"apiVersion":"v1","kind":"Secret","metadata":{"name":"s\#(number)","namespace":"canaries"},"data":{"k":"\#(text)"}}"#
                try await Lab.here.run("etcdctl", "put", "/registry/secrets/canaries/s\(number)", object)
            }
            return Self.folders.keys.sorted()
        }

        private func takeFromHosts(_ hosts: [String]) async throws {
            for host in hosts {
                try await Lab.here.shell(host, "rm -rf -- \"$1\"", Self.folders[host] ?? "/nonexistent")
            }
            try await Lab.here.run("etcdctl", "del", "/registry/secrets/canaries/", "--prefix")
        }
    }
}

extension String {
    fileprivate var trimmed: String { trimmingCharacters(in: .whitespacesAndNewlines) }
}
