import Foundation
import Testing

extension LabSuite {
    /// Backups encrypted with age to somebody who is not here.
    @Suite("encryption")
    struct EncryptionTests {
        @Test("leaves no plaintext, and the owner of the key verifies by a restore")
        func encrypted() async throws {
            let key = try await Key()
            let controller = try Controller(backup: ["encryption: required", "recipients: [\(key.recipient)]"])
            let entry = try await controller.backup()
            #expect(entry.encrypted && entry.good)
            let files =
                controller.names(in: entry.id + "/etcd").map { "etcd/" + $0 }
                + controller.names(in: entry.id + "/hosts").map { "hosts/" + $0 }
            #expect(files.count == 8)
            for file in files {
                let bytes = try Data(contentsOf: URL(filePath: "\(controller.sets)/\(entry.id)/\(file)"))
                #expect(file.hasSuffix(".age") && bytes.starts(with: Data("age-encryption.org/v1\n".utf8)), "\(file)")
            }
            // A name that every snapshot holds, and one that every archive of a master holds.
            let search = try await controller.bash(
                "grep -rlaE 'registry/namespaces|BEGIN (EC )?PRIVATE KEY' \"$ROLLBOOK_STATE_DIR\""
            )
            #expect(search.code == 1 && search.output.isEmpty, "plaintext is left: \(search)")
            #expect(controller.names(in: ".staging").isEmpty)

            let opened = try await controller.rollbook("backups", "verify", "--level", "3", "--identity", key.file)
            #expect(opened.code == 0 && opened.output.contains("level 3 reached"), "\(opened)")
            let other = try await Key()
            let stranger = try await controller.rollbook("backups", "verify", "--level", "3", "--identity", other.file)
            #expect(stranger.code != 0, "\(stranger)")
            #expect(
                try await controller.backups().backups.map(\.id) == [entry.id],
                "a wrong key is no reason to set a backup aside: \(stranger)"
            )
            let closed = try await controller.rollbook("backups", "verify", "--level", "1")
            #expect(closed.code == 0 && closed.output.contains("level 1 reached"), "\(closed)")
            #expect(try await controller.backups().backups == [entry.with(level: 3)])
        }

        struct Refusal: Sendable, CustomTestStringConvertible {
            let policy: [String]
            let code: Int32
            let says: String
            var testDescription: String { policy.joined(separator: ", ") }
        }

        static let refusals = [
            Refusal(
                policy: ["encryption: required"],
                code: 3,
                says: "'backup.encryption' is required, but there is no recipient"
            ),
            Refusal(
                policy: [
                    "encryption: required",
                    "recipients: [age1qyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqs3290gh]",
                ],
                code: 3,
                says: "is mistyped: its checksum does not match"
            ),
            Refusal(
                policy: ["encryption: required", "recipients: [nobody]"],
                code: 3,
                says: "'nobody' is no recipient"
            ),
            Refusal(
                policy: ["encryption: required", "recipientsFile: /nonexistent/recipients"],
                code: 4,
                says: "encryption is asked for and "
            ),
        ]

        @Test("that cannot be done is refused before any snapshot", arguments: refusals)
        func refused(_ refusal: Refusal) async throws {
            let controller = try Controller(backup: refusal.policy)
            let answer = try await controller.rollbook("run", "nightly-backup", "--yes", "--quiet")
            #expect(answer.code == refusal.code, "\(answer)")
            #expect(answer.errors.contains(refusal.says), "\(answer)")
            #expect(controller.names(in: "").allSatisfy { $0.hasPrefix(".") || $0 == "bad" || $0 == "quarantine" })
            #expect(
                !FileManager.default.fileExists(atPath: controller.state + "/runs") || controller.runFolders.isEmpty
            )
        }

        /// A new age key.
        private struct Key {
            let folder: TemporaryFolder
            let file: String
            let recipient: String

            init() async throws {
                folder = try TemporaryFolder()
                file = folder.path + "/key.txt"
                let made = try await Process(program: "/usr/bin/age-keygen", arguments: ["-o", file], environment: [:])
                    .run()
                let line = (made.output + made.errors).split(whereSeparator: \.isWhitespace).last {
                    $0.hasPrefix("age1")
                }
                recipient = String(try #require(line, "\(made)"))
            }
        }
    }
}

extension Controller {
    var runFolders: [String] { (try? FileManager.default.contentsOfDirectory(atPath: state + "/runs")) ?? [] }
}

extension BackupEntry {
    fileprivate func with(level: Int) -> BackupEntry {
        BackupEntry(
            id: id,
            result: result,
            level: level,
            good: good,
            encrypted: encrypted,
            keys: keys,
            manifestSHA256: manifestSHA256
        )
    }
}
