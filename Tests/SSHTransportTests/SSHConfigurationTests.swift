import ClusterModel
import Foundation
import SSHTransport
import Testing

@Suite("Client configuration")
struct SSHConfigurationTests {
    private static func parse(_ text: String) throws -> SSHConfiguration {
        try SSHConfiguration(files: [.init(path: "config", bytes: Array(text.utf8))]) {
            (_, _) throws(OperatorMessage) in []
        }
    }

    @Test("the first value wins, and identity files add up")
    func firstValue() throws {
        let configuration = try Self.parse(
            """
            Host web*
              HostName %h.example.com
              User=alice
              Port = 2222
              IdentityFile ~/.ssh/a
              IdentityFile "/b c"
              IdentitiesOnly yes
              ProxyJump j1,bob@j2:2200
              HostKeyAlias web
              UserKnownHostsFile ~/.ssh/k1 /k2
            Host *
              User root
              IdentityFile ~/.ssh/a
              IdentityFile ~/.ssh/d
              ProxyJump none
            """
        )
        let entry = configuration.entry(for: "web1")
        #expect(entry.hostName == "web1.example.com")
        #expect(entry.user == "alice")
        #expect(entry.port == 2222)
        #expect(entry.identityFiles == ["~/.ssh/a", "/b c", "~/.ssh/d"])
        #expect(entry.identitiesOnly == true)
        #expect(
            entry.proxyJump == [.init(user: nil, host: "j1", port: nil), .init(user: "bob", host: "j2", port: 2200)]
        )
        #expect(entry.hostKeyAlias == "web")
        #expect(entry.userKnownHostsFiles == ["~/.ssh/k1", "/k2"])
        #expect(configuration.diagnostics.isEmpty)
        let other = configuration.entry(for: "Db")
        #expect(other.hostName == "db")
        #expect(other.user == "root")
        #expect(other.proxyJump == [])
        #expect(other.port == nil)
    }

    @Test("a Match that is not supported is a warning, and its block reaches nobody")
    func match() throws {
        let configuration = try Self.parse("Match user root\nUser a\nMatch all\nUser b\nMatch exec \"id\"\nPort 3\n")
        let entry = configuration.entry(for: "h")
        #expect(entry.user == "b")
        #expect(entry.port == nil)
        #expect(configuration.diagnostics.map(\.location.line) == [1, 5])
        #expect(configuration.diagnostics.allSatisfy { $0.severity == .warning })
    }

    @Test("a ProxyCommand is named where it would apply, and a ProxyJump before it switches it off")
    func proxyCommand() throws {
        let configuration = try Self.parse("Host a\nProxyJump j\nHost *\nProxyCommand nc %h %p\nProxyJump k\n")
        #expect(configuration.entry(for: "a").unsupportedProxyCommand == nil)
        #expect(configuration.entry(for: "a").proxyJump?.map(\.text) == ["j"])
        let entry = configuration.entry(for: "b")
        #expect(entry.unsupportedProxyCommand?.location.line == 4)
        #expect(entry.proxyJump == nil)
        #expect(try Self.parse("ProxyCommand none\nProxyJump k").entry(for: "b").proxyJump == [])
    }

    @Test("wrong lines are errors with their place, all of them at once")
    func errors() throws {
        let configuration = try Self.parse(
            "Host a\n  Port 0\n  User \"x\nProxyJump a b\nProxyJump -oProxyCommand=x\nHostName %L\n"
        )
        #expect(
            configuration.diagnostics.map { "\($0.location.line):\($0.location.column): \($0.message)" } == [
                "2:8: '0' is not a port", "3:8: a quote is not closed",
                "5:11: '-oProxyCommand=x' is not a list of jump hosts",
                "6:10: a host name may hold the tokens %h and %% only",
            ]
        )
        #expect(configuration.diagnostics.map(\.severity) == [.error, .error, .error, .warning])
    }

    @Test("Includes are relative to ~/.ssh, sorted, and a block in one ends with it")
    func includes() throws {
        let folder = try TemporaryFolder()
        let ssh = "\(folder.path)/.ssh"
        try FileManager.default.createDirectory(atPath: "\(ssh)/config.d/sub", withIntermediateDirectories: true)
        try folder.write("Include config.d/* absent\nUser outer\nHost never\nInclude ~/.ssh/other\n", to: ".ssh/config")
        try folder.write("Host a\nPort 1\n", to: ".ssh/config.d/10")
        try folder.write("Port 2\nHost b\nHostKeyAlias inner\n", to: ".ssh/config.d/20")
        try folder.write("Port 9\n", to: ".ssh/config.d/.hidden")
        try folder.write("Host *\nHostKeyAlias nobody\n", to: ".ssh/other")
        let configuration = try SSHConfigurationLoader(home: folder.path, systemFolder: folder.path).load()
        #expect(configuration.diagnostics.isEmpty)
        #expect(configuration.entry(for: "a").port == 1)
        #expect(configuration.entry(for: "c").port == 2)
        #expect(configuration.entry(for: "b").hostKeyAlias == "inner")
        #expect(configuration.entry(for: "c").user == "outer")
        #expect(configuration.entry(for: "c").hostKeyAlias == nil)
    }

    @Test("files that include themselves end in one error, sixteen deep")
    func includeLoop() throws {
        let folder = try TemporaryFolder()
        let path = try folder.write("Include \(folder.path)/* \(folder.path)/*\nUser x\n", to: "a")
        try folder.write("Include \(folder.path)/*\n", to: "b")
        let configuration = try SSHConfigurationLoader(home: folder.path).load(userFile: path, alsoSystem: false)
        #expect(configuration.diagnostics.map(\.message) == ["files include each other more than 16 deep"])
        #expect(configuration.entry(for: "h").user == "x")
    }

    @Test("the system's file counts after the user's")
    func systemFile() throws {
        let folder = try TemporaryFolder()
        try folder.write("User mine\n", to: "user")
        try folder.write("User theirs\nPort 7\n", to: "ssh_config")
        let loader = SSHConfigurationLoader(home: folder.path, systemFolder: folder.path)
        let entry = try loader.load(userFile: "\(folder.path)/user").entry(for: "h")
        #expect(entry.user == "mine")
        #expect(entry.port == 7)
    }

    @Test("a file that others may write is refused, included or not")
    func unsafeFile() throws {
        let folder = try TemporaryFolder()
        let path = try folder.write("Include \(folder.path)/open\n", to: "config")
        let open = try folder.write("User x\n", to: "open")
        try FileManager.default.setAttributes([.posixPermissions: 0o664], ofItemAtPath: open)
        let refusal = try #require(throws: OperatorMessage.self) {
            try SSHConfigurationLoader(home: folder.path).load(userFile: path, alsoSystem: false)
        }
        #expect(refusal.code == .security)
        #expect(refusal.place == open)
    }

    @Test("paths are expanded with the values that the inventory has decided")
    func tokens() throws {
        let tokens = SSHConfigurationTokens(
            home: "/home/u",
            localUser: "u",
            remoteUser: "root",
            host: "10.0.0.5",
            port: 2222,
            alias: "web1",
            hostKeyAlias: nil
        )
        #expect(try tokens.expand("~/.ssh/%h_%p_%r@%n_%u%%%k") == "/home/u/.ssh/10.0.0.5_2222_root@web1_u%web1")
        #expect(try tokens.expand("%d/x") == "/home/u/x")
        #expect(try tokens.expand("a~b") == "a~b")
        for template in ["~root/x", "%L", "%", "${HOME}/x", "x%"] {
            #expect(throws: SSHConfigurationTokens.Problem.self) { try tokens.expand(template) }
        }
    }

    @Test("20,000 damaged configurations never trap")
    func damagedFiles() throws {
        var samples = SSHConfigurationSamples(seed: 3, folder: "/nonexistent")
        let base = (0..<40).map { _ in Array(samples.file(statements: 5, depth: 0).utf8) }
        var random = SplitMix64(seed: 4)
        var used = 0
        for round in 0..<20_000 {
            var bytes = base[round % base.count]
            for _ in 0..<Int.random(in: 1...4, using: &random) where !bytes.isEmpty {
                let index = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0: bytes[index] = UInt8.random(in: 0...255, using: &random)
                case 1: bytes.remove(at: index)
                case 2: bytes.insert(random.pick(Array(" \t\n\"'\\=#%,@[]:!*\r\0".utf8)), at: index)
                default: bytes.removeSubrange(index..<min(bytes.count, index + 20))
                }
            }
            let configuration = try SSHConfiguration(files: [.init(path: "f", bytes: bytes)]) {
                (_, _) throws(OperatorMessage) in []
            }
            let entry = configuration.entry(for: "web1")
            used += entry.user == nil ? 0 : 1
            #expect(configuration.diagnostics.allSatisfy { $0.location.line >= 1 && $0.location.column >= 1 })
        }
        #expect(used > 500)
    }
}
