import Foundation
import TestSupport
import Testing

/// Secrets given to the real program, which runs against a real sshd, and then looked for everywhere.
@Suite(
    "Secrets stay where they were given",
    .serialized,
    .enabled(if: ProcessInfo.processInfo.environment["ROLLBOOK_CANARIES"] != nil, "make endurance")
)
struct LocalCanaryTests {
    private let folder = "/tmp/rollbook-canaries-\(UUID().uuidString.prefix(8))"
    private var program: String {
        URL(filePath: CommandLine.arguments.first ?? "").resolvingSymlinksInPath().deletingLastPathComponent()
            .appending(path: "rollbook").path
    }

    @Test("40 secrets appear in no output, journal, report, log, command line or environment")
    func canaries() async throws {
        try FileManager.default.createDirectory(
            atPath: folder,
            withIntermediateDirectories: false,
            attributes: [.posixPermissions: 0o700]
        )
        defer { try? FileManager.default.removeItem(atPath: folder) }
        var canaries = Canaries(seed: 40)
        let passphrase = canaries.secret("passphrase of the key")
        let server = try await LocalServer(folder: folder, passphrase: passphrase)
        try giveFiles(&canaries)
        try write(passphrase, to: "passphrase", secret: true)
        try write(canaries.secret("wrong passphrase"), to: "wrong", secret: true)
        try write(canaries.secret("password for sudo"), to: "password", secret: true)
        let ping = canaries.secret("ping URL", plain: true)
        try write(inventory(server, passphrase: "passphrase", ping: ping), to: "inventory.yaml")
        try write(inventory(server, passphrase: "wrong", ping: ping), to: "wrong.yaml")
        try write(inventory(server, passphrase: "passphrase", ping: ping, become: true), to: "become.yaml")
        try write(Self.runbook, to: "look.yaml")
        try write(Self.runbook.replacing("exit 0", with: "exit 7"), to: "fails.yaml")
        #expect(canaries.birds.count >= 40)

        let watch = ProcessWatch(for: canaries)
        var found: [Canaries.Sighting] = []
        for line in Self.lines {
            let outcome = try await rollbook(line)
            found += canaries.sightings(in: outcome.output, at: "rollbook \(line)")
            #expect(!outcome.output.isEmpty, "rollbook \(line) said nothing")
        }
        let (seen, looks) = watch.stop()
        found += seen
        #expect(looks > 100)
        found += canaries.sightings(in: Data(server.log.utf8), at: "the log of sshd")
        found += canaries.sightings(below: folder + "/state")
        #expect(found.isEmpty, "\(found.map(\.description).joined(separator: "\n"))")
        // The test is worth nothing when the secrets were never used.
        #expect(server.log.contains("Accepted publickey"))
        #expect(FileManager.default.fileExists(atPath: folder + "/state/runs"))
    }

    @Test("a secret in each of its forms is seen")
    func forms() {
        var canaries = Canaries(seed: 1)
        let text = canaries.secret("one")
        for (form, bytes) in Canaries.forms(of: text) {
            #expect(
                canaries.sightings(in: Data("before ".utf8) + bytes + Data(" after".utf8), at: "here").first != nil,
                "\(form)"
            )
        }
        for shift in 0..<3 {
            let long = Data(repeating: 0x41, count: 30 + shift) + Data(text.utf8) + Data("end".utf8)
            #expect(!canaries.sightings(in: Data(long.base64EncodedString().utf8), at: "here").isEmpty, "\(shift)")
        }
        #expect(canaries.sightings(in: Data("canary".utf8), at: "here").isEmpty)
    }

    /// What a person would type, and what goes wrong: a failing step, a wrong passphrase, a refused sudo.
    private static let lines =
        [
            "run look.yaml --yes --verbose", "show --format json", "show --html -",
            "run look.yaml --yes --inventory become.yaml --verbose",
        ] + (ProcessInfo.processInfo.environment["ROLLBOOK_CANARIES"] == "all" ? more : [])

    private static let more = [
        "facts --verbose", "plan look.yaml --verbose", "run fails.yaml --yes --format json", "show --verbose",
        "journal verify --verbose", "facts --inventory wrong.yaml --verbose",
        "inventory check inventory.yaml", "hosts list --verbose", "hosts check --verbose", "facts --format json",
        "health --verbose", "plan look.yaml --format json", "plan nightly-backup --verbose",
        "plan preflight --skip reachability --skip repository --format json", "run look.yaml --yes --format json",
        "run nightly-backup --yes --verbose", "runs --format json", "resume --verbose", "backups list --verbose",
        "run look.yaml --yes --inventory wrong.yaml --verbose", "facts --inventory become.yaml --verbose",
        "schedule nightly-backup --at 02:15",
    ]

    private func rollbook(_ line: String) async throws -> Outcome {
        try await Outcome.of(
            program,
            line.split(separator: " ").map(String.init),
            [
                "PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "HOME": folder, "LC_ALL": "C.UTF-8",
                "ROLLBOOK_INVENTORY": folder + "/inventory.yaml", "ROLLBOOK_STATE_DIR": folder + "/state",
            ],
            in: folder
        )
    }

    private func write(_ text: String, to name: String, secret: Bool = false) throws {
        let path = folder + "/" + name
        try FileManager.default.createDirectory(
            atPath: (path as NSString).deletingLastPathComponent,
            withIntermediateDirectories: true
        )
        _ = FileManager.default.createFile(
            atPath: path,
            contents: Data(text.utf8),
            attributes: [.posixPermissions: secret ? 0o600 : 0o644]
        )
    }

    /// A host's folder of Kubernetes, with secrets in every sort of file that facts look into.
    private func giveFiles(_ canaries: inout Canaries) throws {
        for name in ["admin", "super-admin", "controller-manager", "scheduler", "kubelet"] {
            let key = Data(canaries.secret("key in \(name).conf").utf8).base64EncodedString()
            let token = canaries.secret("token in \(name).conf", plain: true)
            try write(
                "apiVersion: v1\nkind: Config\nusers:\n- name: u\n  user:\n    client-key-data: \(key)\n    token: \(token)\n",
                to: "kubernetes/\(name).conf"
            )
        }
        for name in ["ca", "apiserver", "front-proxy-ca", "sa", "etcd/ca", "etcd/server", "etcd/healthcheck-client"] {
            let key = canaries.secret("key \(name).key")
            try write(
                "-----BEGIN PRIVATE KEY-----\n\(key)\n-----END PRIVATE KEY-----\n",
                to: "kubernetes/pki/\(name).key"
            )
            let bad = canaries.secret("in \(name).crt")
            try write(
                "-----BEGIN CERTIFICATE-----\n\(bad)\n-----END CERTIFICATE-----\n",
                to: "kubernetes/pki/\(name).crt"
            )
        }
        for name in ["etcd", "kube-apiserver", "kube-scheduler"] {
            let password = canaries.secret("environment of \(name)", plain: true)
            let flag = canaries.secret("flag of \(name)", plain: true)
            try write(
                "spec:\n  containers:\n  - command:\n    - \(name)\n    - --secret=\(flag)\n    env:\n    - value: \(password)\n",
                to: "kubernetes/manifests/\(name).yaml"
            )
        }
        for name in ["haproxy", "keepalived", "nginx"] {
            let password = canaries.secret("password in \(name)", plain: true)
            let text = "global\n  stats auth admin:\(password)\n  auth_pass \(password)\n"
            try write(text, to: "\(name)/\(name).cfg")
        }
        try write(
            "secrets:\n- \(canaries.secret("encryption at rest", plain: true))\n",
            to: "kubernetes/enc/encryption.yaml"
        )
        for number in 1...6 { try write(canaries.secret("file \(number)"), to: "kubernetes/secrets/\(number)") }
    }

    private func inventory(_ server: LocalServer, passphrase: String, ping: String, become: Bool = false) -> String {
        """
        format: 1
        cluster: {id: canaries, topology: stacked}
        ssh:
          user: \(NSUserName())
          port: \(server.port)
          identityFile: \(folder)/user
          passphraseFile: \(folder)/\(passphrase)
          knownHosts: \(folder)/known_hosts
          connectTimeout: 5s
          \(become ? "become: sudo\n  becomePasswordFile: \(folder)/password" : "become: none")
        masters:
          - {name: m1, address: \(server.address)}
        paths:
          kubernetes: \(folder)/kubernetes
          pki: \(folder)/kubernetes/pki
          etcdData: \(folder)/etcd
          haproxy: \(folder)/haproxy/haproxy.cfg
          keepalived: \(folder)/keepalived/keepalived.cfg
          nginx: \(folder)/nginx/nginx.cfg
        backup:
          ping: {url: "http://127.0.0.1:9/\(ping)"}

        """
    }

    private static let runbook = """
        format: 1
        runbook: look
        summary: Look at the host
        stages:
          - name: Look
            on: masters
            steps:
              - uses: shell.run
                with:
                  changes: false
                  script: "id; exit 0"

        """
}
