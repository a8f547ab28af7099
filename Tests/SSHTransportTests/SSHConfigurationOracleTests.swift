import ClusterModel
import Foundation
import SSHTransport
import Testing

@Suite("Client configuration against ssh -G")
struct SSHConfigurationOracleTests {
    @Test("240 generated configurations give the same settings for every name")
    func generatedConfigurations() throws {
        let ssh = try OpenSSH.program("/usr/bin/ssh")
        let folder = try TemporaryFolder()
        var samples = SSHConfigurationSamples(seed: 99, folder: folder.path)
        for index in 0..<8 { try folder.write(samples.file(statements: 6, depth: 1), to: "inc\(index).conf") }
        for index in 0..<3 { try folder.write(samples.file(statements: 6, depth: 2), to: "deep\(index).conf") }
        var script = "echo '#### default'; '\(ssh)' -G -F none x; echo \"status $?\"\n"
        var questions: [(file: String, name: String)] = []
        for index in 0..<240 {
            let file = try folder.write(samples.file(statements: 14, depth: 0), to: "config\(index)")
            for name in [samples.random.pick(SSHConfigurationSamples.names), "web1"] {
                questions.append((file, name))
                script +=
                    "echo '#### '; '\(ssh)' -G -F '\(file)' -o 'IgnoreUnknown=XUnknown*' '\(name)'; echo \"status $?\"\n"
            }
        }
        let answers = try OpenSSH.shell(script, in: folder).components(separatedBy: "#### ").dropFirst().map(
            Answer.init
        )
        try #require(answers.count == questions.count + 1)
        // What ssh says with no configuration at all tells the user's name and home.
        let user = try #require(answers[0].values["user"]?.first)
        let home = try #require(answers[0].values["userknownhostsfile"]?.first?.components(separatedBy: "/.ssh/").first)
        var refused = 0
        var withJump = 0
        for (question, answer) in zip(questions, answers.dropFirst()) {
            let configuration = try SSHConfigurationLoader(home: home).load(userFile: question.file, alsoSystem: false)
            let isRefused = configuration.diagnostics.contains { $0.severity == .error }
            let text = {
                String(decoding: (try? Data(contentsOf: URL(fileURLWithPath: question.file))) ?? Data(), as: UTF8.self)
            }
            #expect(isRefused == (answer.status != 0), "\(question.name): \(text()) \(configuration.diagnostics)")
            refused += isRefused ? 1 : 0
            guard !isRefused, answer.status == 0 else { continue }
            let entry = configuration.entry(for: question.name)
            let ours = try Answer(entry, user: user, home: home, defaults: answers[0])
            withJump += ours.values["proxyjump"] == nil ? 0 : 1
            for key in Answer.keys {
                #expect(ours.values[key] == answer.values[key], "\(key) for \(question.name): \(text())")
            }
        }
        // The generator must neither break every file nor never reach a block.
        #expect(refused > 20 && refused < 240)
        #expect(withJump > 40)
    }

    /// What `ssh -G` prints of the settings that are compared, in order of appearance.
    struct Answer {
        static let keys = [
            "hostname", "user", "port", "identitiesonly", "identityfile", "proxyjump", "userknownhostsfile",
            "hostkeyalias",
        ]

        var values: [String: [String]] = [:]
        var status = 0

        init(_ output: String) {
            for line in output.split(separator: "\n") {
                let words = line.split(separator: " ", maxSplits: 1)
                guard words.count == 2 else { continue }
                let key = String(words[0])
                if key == "status" { status = Int(words[1]) ?? -1 }
                if Self.keys.contains(key) { values[key, default: []].append(String(words[1])) }
            }
        }

        init(_ entry: SSHConfigurationEntry, user: String, home: String, defaults: Answer) throws {
            let tokens = SSHConfigurationTokens(
                home: home,
                localUser: user,
                remoteUser: entry.user ?? user,
                host: entry.hostName,
                port: entry.port ?? 22,
                alias: entry.alias,
                hostKeyAlias: entry.hostKeyAlias
            )
            values["hostname"] = [entry.hostName]
            values["user"] = [entry.user ?? user]
            values["port"] = [String(entry.port ?? 22)]
            values["identitiesonly"] = [entry.identitiesOnly == true ? "yes" : "no"]
            values["identityfile"] = entry.identityFiles.isEmpty ? defaults.values["identityfile"] : entry.identityFiles
            if let hops = entry.proxyJump, !hops.isEmpty {
                values["proxyjump"] = [hops.map(\.text).joined(separator: ",")]
            }
            if let files = entry.userKnownHostsFiles {
                values["userknownhostsfile"] = [try files.map { try tokens.expand($0) }.joined(separator: " ")]
            } else {
                values["userknownhostsfile"] = defaults.values["userknownhostsfile"]
            }
            values["hostkeyalias"] = entry.hostKeyAlias.map { [$0] }
        }
    }
}

/// Generates client configurations that mix what is honoured with what is not, and now and then something wrong.
struct SSHConfigurationSamples {
    static let names = ["web1", "web2.example.com", "db", "DB", "10.0.0.5", "a-b_c"]

    var random: SplitMix64
    private let folder: String

    init(seed: UInt64, folder: String) {
        random = SplitMix64(seed: seed)
        self.folder = folder
    }

    /// Text of up to `statements` statements; files at a depth of two include nothing more.
    mutating func file(statements: Int, depth: Int) -> String {
        let ending = random.oneIn(4) ? "\r\n" : "\n"
        var text = ""
        for _ in 0..<Int.random(in: 0...statements, using: &random) { text += line(depth: depth) + ending }
        if random.oneIn(4) { text += "User last" }
        return text
    }

    private mutating func line(depth: Int) -> String {
        let indent = random.pick(["", "", "  ", "\t", " \t "])
        switch Int.random(in: 0..<24, using: &random) {
        case 0: return random.pick(["", "   ", "# comment", "  # User x", "\t"])
        case 1..<6: return indent + keyword("Host") + separator() + patterns() + comment()
        case 6:
            return indent + keyword("Match") + separator()
                + random.pick(["all", "ALL", "host never.invalid", "user nosuch", "all # x"])
        case 7 where depth < 2:
            let names =
                depth == 0
                ? ["inc0.conf", "inc1.conf", "inc?.conf", "inc[", "absent*", "d*.conf"] : ["deep*.conf", "deep1.conf"]
            return indent + keyword("Include") + " "
                + random.pick(["", "\""]).appending("\(folder)/").appending(
                    random.pick(names.filter { !$0.contains("[") })
                ).closingQuote
        case 8:
            return indent
                + random.pick(["ForwardAgent yes", "XUnknownThing a b", "Compression no", "ServerAliveInterval 30"])
        case 9 where random.oneIn(4): return wrong()
        default:
            let setting = setting()
            // OpenSSH 9.2 takes `none # comment` for a jump host named none, which nobody means.
            return indent + setting + (setting.lowercased().hasSuffix("none") ? "" : comment())
        }
    }

    /// Something for which OpenSSH refuses the file.
    private mutating func wrong() -> String {
        random.pick([
            "Port 0", "Port x", "Port 65536", "Port", "User \"a", "User a b", "IdentitiesOnly perhaps", "Host",
            "ProxyJump a,,b", "ProxyJump u@", "UserKnownHostsFile none x", "Match all x", "HostName \"\"",
            "Host \"\" web1",
        ])
    }

    private mutating func setting() -> String {
        switch Int.random(in: 0..<8, using: &random) {
        case 0:
            keyword("HostName") + separator()
                + random.pick(["%h.Example.com", "10.1.2.3", "\"%h%%x\"", "fe80::1", "UP"])
        case 1:
            keyword("User") + separator()
                + random.pick(["alice", "\"bob c\"", "'d e'", "f\\ g", "h#i", "j\\\"k", "l\"m n\"o", "root"])
        case 2: keyword("Port") + separator() + random.pick(["22", "2222", "022", "+23", "65535", "ssh", "\"24\""])
        case 3:
            keyword("IdentityFile") + separator()
                + random.pick(["~/.ssh/id_%h", "%d/k_%u_%r_%%", "\"/a b/c\"", "none", "/k1", "/k2", "rel/ative"])
        case 4: keyword("IdentitiesOnly") + separator() + random.pick(["yes", "no", "True", "FALSE"])
        case 5:
            keyword("ProxyJump") + random.pick([" ", "=", "\t", " = "])
                + random.pick([
                    "none", "None", "jump1", "u@jump1:2222,jump2", "ssh://v@h:99", "[fe80::1]:2200", "a,b,c", "h:",
                    "w@[::1]",
                ])
        case 6:
            keyword("UserKnownHostsFile") + separator()
                + random.pick(["none", "NONE", "~/.ssh/k1 \"/tmp/k 2\"", "%d/%h/%n", "/k_%r_%u_%p_%%_%k", "~/a ~/a"])
        default: keyword("HostKeyAlias") + separator() + random.pick(["alias1", "Alias2", "\"al ias\"", "%h"])
        }
    }

    private mutating func patterns() -> String {
        let count = Int.random(in: 1...3, using: &random)
        return (0..<count).map { _ in
            let pattern = random.pick(
                Self.names + [
                    "*", "web*", "web?", "*.example.com", "d?", "10.*", "!web1", "!*.com", "\"a*\"", "web1,db",
                ]
            )
            return random.oneIn(8) && !pattern.hasPrefix("\"") ? "\"\(pattern)\"" : pattern
        }.joined(separator: random.pick([" ", "  ", "\t"]))
    }

    private mutating func keyword(_ word: String) -> String {
        switch Int.random(in: 0..<8, using: &random) {
        case 0: word.uppercased()
        case 1: word.lowercased()
        case 2: "\"\(word)\""
        default: word
        }
    }

    /// A quoted keyword cannot be followed by `=`, which would become part of the value; a blank is right after both.
    private mutating func separator() -> String { random.pick([" ", " ", "  ", "\t", " ", "   "]) }

    private mutating func comment() -> String { random.oneIn(8) ? random.pick([" # c", "\t#", "  ", " \u{C}"]) : "" }
}

extension String {
    /// This text with the quote closed that it may begin with.
    fileprivate var closingQuote: String { hasPrefix("\"") ? self + "\"" : self }
}
