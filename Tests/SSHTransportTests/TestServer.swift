import ClusterModel
import Foundation
import Synchronization
import Testing

@testable import SSHTransport

/// A real sshd on a loopback address, with keys of its own, for one suite.
struct TestServer: Sendable {
    static let program = "/usr/sbin/sshd"
    @TaskLocal static var current: TestServer?

    let folder: URL
    let address: String
    let port: Int
    let process: ChildProcess
    /// The listening process, whose children serve the connections.
    let listener: Int32

    /// The server of the running suite.
    static var shared: TestServer {
        get throws { try #require(current, "the suite lacks .sshd") }
    }

    static func start(
        extra: [String] = [],
        hostKeys: [String] = ["ed25519"]
    ) async throws -> TestServer {
        guard FileManager.default.isExecutableFile(atPath: program) else {
            throw ChildProcess.Failed(description: "\(program) is missing: apt-get install openssh-server")
        }
        if getuid() == 0 {
            try FileManager.default.createDirectory(atPath: "/run/sshd", withIntermediateDirectories: true)
        }
        let folder = FileManager.default.temporaryDirectory.appending(path: "rollbook-sshd-\(UUID().uuidString)")
        try FileManager.default.createDirectory(
            at: folder,
            withIntermediateDirectories: true,
            attributes: [.posixPermissions: 0o700]
        )
        for type in hostKeys { try makeKey(folder.appending(path: "host_\(type)"), type: type) }
        try makeKey(folder.appending(path: "user"), type: "ed25519")
        try FileManager.default.copyItem(
            at: folder.appending(path: "user.pub"),
            to: folder.appending(path: "authorized")
        )
        let (address, port) = (freshAddress(), 2222)
        let lines =
            // sshd takes the first of two values: a suite's own come before the defaults.
            extra + hostKeys.map { "HostKey \(folder.path)/host_\($0)" } + [
                "AuthorizedKeysFile \(folder.path)/authorized", "ListenAddress \(address):\(port)", "PidFile none",
                "PermitRootLogin prohibit-password", "PasswordAuthentication no", "KbdInteractiveAuthentication no",
                "StrictModes no", "UsePAM no", "UseDNS no", "MaxStartups 200",
                "AllowTcpForwarding yes",
                "PrintMotd no", "PrintLastLog no", "SetEnv HOME=\(folder.path)", "LogLevel VERBOSE",
            ]
        let config = folder.appending(path: "sshd_config")
        try Data((lines.joined(separator: "\n") + "\n").utf8).write(to: config)
        let process = try ChildProcess([program, "-D", "-e", "-f", config.path])
        let pid = try await process.waitForLine(containing: "pid ").split(separator: " ").last.flatMap { Int32($0) }
        try await process.waitForLine(containing: "Server listening")
        return TestServer(folder: folder, address: address, port: port, process: process, listener: pid ?? 0)
    }

    func stop() {
        process.stop()
        try? FileManager.default.removeItem(at: folder)
    }

    static func makeKey(_ file: URL, type: String, bits: Int? = nil, passphrase: String = "") throws {
        let size = bits.map { ["-b", "\($0)"] } ?? []
        try ChildProcess.run(
            ["/usr/bin/ssh-keygen", "-q", "-t", type, "-N", passphrase, "-a", "1", "-C", "test", "-f", file.path] + size
        )
    }

    /// Lets the holder of a key log in.
    func authorize(_ publicKey: URL) throws {
        let file = try FileHandle(forWritingTo: folder.appending(path: "authorized"))
        try file.seekToEnd()
        try file.write(contentsOf: Data(contentsOf: publicKey))
        try file.close()
    }

    func hostKey(_ type: String) throws -> [UInt8] {
        let text = try String(contentsOf: folder.appending(path: "host_\(type).pub"), encoding: .utf8)
        return try Array(#require(Data(base64Encoded: String(text.split(separator: " ")[1]))))
    }

    func host(
        _ name: String = "w1",
        keys: [SSHIdentity]? = nil,
        jump: [JumpHop] = [],
        limit: Duration = .seconds(20)
    ) throws
        -> ClusterModel.Host
    {
        ClusterModel.Host(
            name: try #require(HostName(name)),
            role: .worker,
            ssh: SSHSettings(
                address: address,
                port: port,
                user: NSUserName(),
                identities: keys ?? [.file(path: folder.appending(path: "user").path, passphraseFile: nil)],
                jump: jump,
                connectTimeout: limit
            )
        )
    }

    /// A loopback address that no other test uses, so that ports cannot collide.
    static func freshAddress() -> String {
        let number = counter.add(1, ordering: .relaxed).newValue
        return "127.\(100 + getpid() % 100).\(number / 250).\(number % 250 + 1)"
    }

    private static let counter = Atomic(0)
}

/// Starts one sshd for a suite and ends it afterwards.
struct ServerTrait: SuiteTrait, TestScoping {
    let extra: [String]
    let hostKeys: [String]

    @concurrent func provideScope(
        for test: Test,
        testCase: Test.Case?,
        performing body: @concurrent @Sendable () async throws -> Void
    )
        async throws
    {
        let server = try await TestServer.start(extra: extra, hostKeys: hostKeys)
        defer { server.stop() }
        try await TestServer.$current.withValue(server) { try await body() }
    }
}

extension Trait where Self == ServerTrait {
    static func sshd(
        _ extra: [String] = [],
        hostKeys: [String] = ["ed25519"]
    ) -> ServerTrait {
        ServerTrait(extra: extra, hostKeys: hostKeys)
    }
}
