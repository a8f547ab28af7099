import Foundation
import SSHTransport
import Testing

@Suite("Known hosts against ssh and sshd")
struct KnownHostsServerTests {
    private enum Answer: String, Hashable { case trusted, unknown, changed, revoked }

    private struct Question: CustomStringConvertible {
        let file: String
        let name: String
        let port: Int
        let alias: String?
        var description: String { "\(alias ?? name):\(port)\n\(file)" }
    }

    @Test("strict checking by ssh gives the same verdict for 24 generated files, and every verdict occurs")
    func verdicts() throws {
        let folder = try TemporaryFolder()
        let server = try Server(in: folder)
        var random = SplitMix64(seed: 2222)
        let questions = (0..<24).map { _ in Self.question(&random, server: server) }
        var script = ""
        for (index, question) in questions.enumerated() {
            try folder.write(question.file, to: "known\(index)")
            script += try server.login(
                to: question.name,
                port: question.port,
                alias: question.alias,
                knownHosts: "known\(index)"
            )
        }
        let answers = try OpenSSH.shell(script, in: folder).split(separator: "\n").map { Answer(rawValue: String($0)) }
        try #require(answers.count == questions.count)
        for (question, answer) in zip(questions, answers) {
            let known = KnownHosts(files: [.init(path: "known", bytes: Array(question.file.utf8))])
            // With an alias, ssh leaves the port out of account.
            let (name, port) = (question.alias ?? question.name, question.alias == nil ? question.port : 22)
            let type = known.knownKeyTypes(forHost: name, port: port).first { server.keys[$0] != nil } ?? "ssh-ed25519"
            let key = KnownHostsTests.blob(try #require(server.keys[type]))
            let ours: Answer =
                switch known.verdict(forHost: name, port: port, keyType: type, key: key) {
                case .trusted: .trusted
                case .unknown: .unknown
                case .changed: .changed
                case .revoked: .revoked
                }
            #expect(ours == answer, "\(question)")
        }
        #expect(Set(answers.compactMap(\.self)).count == 4)
    }

    /// A server that `ssh` starts for itself at the other end of a pipe: no port, nothing left running.
    private struct Server {
        /// `type base64` by type.
        private(set) var keys: [String: String] = [:]
        private let command: String
        private let ssh: String

        init(in folder: TemporaryFolder) throws {
            ssh = try OpenSSH.program("/usr/bin/ssh")
            let keygen = try OpenSSH.program("/usr/bin/ssh-keygen")
            let sshd = try OpenSSH.program("/usr/sbin/sshd")
            let script = ["ed25519", "ecdsa"].map { "'\(keygen)' -q -t \($0) -N '' -C '' -f \($0)\n" }.joined()
            try OpenSSH.shell(script, in: folder)
            for name in ["ed25519", "ecdsa"] {
                let words = String(decoding: try folder.bytes(of: "\(name).pub"), as: UTF8.self).split(separator: " ")
                keys[String(words[0])] = "\(words[0]) \(words[1].filter { !$0.isNewline })"
            }
            let configuration = """
                HostKey \(folder.path)/ed25519
                HostKey \(folder.path)/ecdsa
                AuthorizedKeysFile none
                PasswordAuthentication no
                KbdInteractiveAuthentication no
                UsePAM no
                PidFile none
                """
            let file = try folder.write(configuration, to: "sshd_config")
            command = "'\(sshd)' -i -e -f '\(file)' 2>/dev/null"
            // As root, sshd wants its empty directory even where no service has made it yet.
            if geteuid() == 0 {
                try FileManager.default.createDirectory(atPath: "/run/sshd", withIntermediateDirectories: true)
            }
        }

        /// Shell text that prints the verdict of `ssh`: a login that gets as far as being denied trusted the key.
        func login(to name: String, port: Int, alias: String?, knownHosts: String) throws -> String {
            var words = [
                "'\(ssh)' -F none -p \(port) -o 'ProxyCommand=\(command)' -o StrictHostKeyChecking=yes",
                "-o UserKnownHostsFile=\(knownHosts) -o GlobalKnownHostsFile=/dev/null -o BatchMode=yes",
                "-o PreferredAuthentications=none -o ConnectTimeout=10 -o UpdateHostKeys=no",
            ]
            if let alias { words.append("-o HostKeyAlias='\(alias)'") }
            return """
                answer=$(\(words.joined(separator: " ")) '\(name)' true 2>&1)
                case "$answer" in
                *REVOKED*) echo revoked ;;
                *'IDENTIFICATION HAS CHANGED'*) echo changed ;;
                *'host key is known for'*) echo unknown ;;
                *'Permission denied'*) echo trusted ;;
                *) echo "$answer" | tr '\\n' ' '; echo ;;
                esac

                """
        }
    }

    private static func question(_ random: inout SplitMix64, server: Server) -> Question {
        let name = random.pick(["w3", "master1.example.com", "W3", "10.0.0.5"])
        let port = random.pick([22, 22, 2222])
        let alias = random.oneIn(8) ? "alias" : nil
        let listed = (port == 22 ? name : "[\(name)]:\(port)").lowercased()
        let keys =
            server.keys.sorted { $0.key < $1.key }.map(\.value) + [
                KnownHostsSamples.keys[0], KnownHostsSamples.keys[2],
            ]
        var lines: [String] = []
        for _ in 0..<Int.random(in: 1...4, using: &random) {
            let salt = (0..<20).map { _ in UInt8.random(in: 0...255, using: &random) }
            let hosts = random.pick([
                listed, listed, name, "other,\(listed)", "*", "!\(listed),*", "alias", "elsewhere",
                KnownHostsSamples.hashed(listed, salt: salt), "[*]:2222", name.uppercased(),
            ])
            let marker = random.oneIn(4) ? random.pick(["@revoked ", "@cert-authority ", "@revoked\t"]) : ""
            let key = random.oneIn(10) ? "ssh-ed25519 AAAAbad" : random.pick(keys)
            lines.append("\(marker)\(hosts) \(key)\(random.oneIn(3) ? " comment" : "")")
        }
        let text = lines.joined(separator: random.oneIn(3) ? "\r\n" : "\n") + "\n"
        return Question(file: text, name: name, port: port, alias: alias)
    }
}
