import ClusterModel

/// The keys of inventories; Inventory/README.md says more about each.
enum InventorySchema {
    static let top = [
        SchemaField("format", .raw(["const": .integer(1)]), required: true, "The version of this format."),
        SchemaField("cluster", .mapping(cluster), required: true, "What is true of the cluster as a whole."),
        SchemaField("ssh", .mapping(ssh), "How to log in to every host."),
        SchemaField("masters", .list(.mapping(host)), required: true, "Control plane hosts, at least one."),
        SchemaField("workers", .list(.mapping(host)), "Worker nodes."),
        SchemaField("loadBalancers", .list(.mapping(host)), "Hosts in front of the API servers that carry the VIP."),
        SchemaField("etcd", .list(.mapping(host)), "Members of an external etcd."),
        SchemaField("paths", .mapping(paths), "Where things are on the hosts."),
        SchemaField("backup", .mapping(backup), "What the nightly backup takes, keeps and tells."),
        SchemaField("notify", .mapping(notify), "Who is told of runs."),
        SchemaField("preflight", .mapping(checks), "What is wanted of checks, by their names."),
    ]

    static let checks = CheckName.allCases.map { SchemaField($0.rawValue, .mapping(check), "One check.") }

    static let check = [
        SchemaField("severity", words(CheckPolicy.Severity.self), "What becomes of its findings, by default fail."),
        SchemaField("fix", .boolean, "Whether what can be mended is mended, by default true."),
    ]

    static let cluster = [
        SchemaField("id", .name, required: true, "Permanent identity: names the lock and the folder of backups."),
        SchemaField("topology", words(EtcdTopology.self), "Whether etcd runs on the masters or on hosts of its own."),
        SchemaField("vip", .text, "The virtual address of the API, an address of its own."),
        SchemaField("apiPort", port, "The port of the API servers, by default 6443."),
        SchemaField(
            "networks",
            .mapping([
                SchemaField("nodes", range, "Where the hosts are."),
                SchemaField("pods", range, "The pod range."),
                SchemaField("services", range, "The service range."),
            ]),
            "Ranges of addresses, which must not overlap."
        ),
    ]

    static let host = [
        SchemaField("name", .name, required: true, "Unique in the file, and permanent."),
        SchemaField("address", .text, required: true, "Where to connect to: IPv4, IPv6 or a DNS name."),
        SchemaField("clusterAddress", .text, "By which the other hosts know it; differs behind NAT."),
        SchemaField("ssh", .mapping(ssh + [hostKeyAlias]), "How to log in to this host; wins over the common section."),
        SchemaField("labels", .entries(.word), "Free text, for your own use."),
    ]

    static let hostKeyAlias = SchemaField("hostKeyAlias", .text, "The name to look for in known hosts.")

    static let ssh = [
        SchemaField("user", .text, "The login name."),
        SchemaField("port", port, "The port of sshd, by default 22."),
        SchemaField("identityFile", .text, "The private key."),
        SchemaField("identityFiles", .list(.text), "Several private keys."),
        SchemaField("passphraseFile", .text, "Holds the passphrase of the identity files of the same section."),
        SchemaField("agent", .boolean, "Whether the keys of ssh-agent are offered."),
        SchemaField("knownHosts", .either([.text, .list(.text)]), "Host keys; a key that is not in them is refused."),
        SchemaField("jump", .list(.text), "The way in: names of hosts, or user@address:port."),
        SchemaField("become", words(BecomeWord.self), "How to become root."),
        SchemaField("becomePasswordFile", .text, "Holds the password for sudo."),
        SchemaField("connectTimeout", .duration, "Limit for connecting, and again for login; by default 10s."),
    ]

    static let paths = [
        SchemaField("etcdData", .hostPath, "etcd's data directory."),
        SchemaField("pki", .hostPath, "Certificates and keys."),
        SchemaField("kubernetes", .hostPath, "Manifests and kubeconfig files."),
        SchemaField("haproxy", .hostPath, "HAProxy's configuration."),
        SchemaField("keepalived", .hostPath, "keepalived's configuration."),
        SchemaField("nginx", .hostPath, "nginx' configuration."),
    ]

    static let backup = [
        SchemaField(
            "etcd",
            .mapping([
                SchemaField("from", words(BackupPolicy.SnapshotSource.self), "Snapshots of every member, or of one.")
            ]),
            "Which members are taken."
        ),
        SchemaField("encryption", words(BackupPolicy.Encryption.self), "Whether backups are encrypted."),
        SchemaField("recipients", .list(.text), "Who can decrypt: age or SSH public keys."),
        SchemaField("recipientsFile", .text, "Further recipients, one a line."),
        SchemaField("whenDegraded", words(BackupPolicy.WhenDegraded.self), "What to do when a member is down."),
        SchemaField("interval", .duration, "How often backups are expected, by default 24h."),
        SchemaField(
            "retention",
            .mapping([
                SchemaField("last", count, "So many newest backups are kept, by default 3."),
                SchemaField("daily", count, "The newest of each of so many days, by default 7."),
                SchemaField("weekly", count, "The newest of each of so many weeks, by default 5."),
                SchemaField("monthly", count, "The newest of each of so many months, by default 12."),
                SchemaField("minGood", .number(1...100_000), "So many good backups stay, by default 3."),
            ]),
            "What is kept."
        ),
        SchemaField("metricsFile", .text, "For node_exporter's textfile collector."),
        SchemaField(
            "ping",
            .mapping([SchemaField("url", .text(pattern: "^https?://"), required: true, "The address.")]),
            "Told of start, success and failure of each backup."
        ),
    ]

    static let notify = [
        SchemaField("webhooks", .list(.mapping(webhook)), "Addresses that are posted to."),
        SchemaField("commands", .list(.mapping(command)), "Programs that are run."),
        SchemaField("pings", .list(.mapping(ping)), "Dead-man switches."),
        SchemaField("metricsFile", .text(pattern: "\\.prom$"), "For node_exporter's textfile collector."),
    ]

    static let webhook =
        address + [
            SchemaField("preset", words(NotifyPolicy.Preset.self), "What it understands, by default generic."),
            SchemaField("secretFile", .text, "Holds the key that signs what is sent."),
        ] + filter

    static let command =
        [SchemaField("command", .list(.text), required: true, "The absolute path of a program, and its arguments.")]
        + filter

    static let ping = address + [runbooks]

    private static let address = [
        SchemaField("url", .text(pattern: "^https?://"), "The address."),
        SchemaField("urlFile", .text, "Holds the address."),
    ]

    private static let filter = [
        SchemaField("on", .list(words(NotifyPolicy.Occasion.self)), "What is told of, by default failure and partial."),
        runbooks,
    ]

    private static let runbooks = SchemaField("runbooks", .list(.name), "Of these runbooks only, by default of all.")

    private static let port = SchemaShape.number(1...65535)
    private static let count = SchemaShape.number(0...100_000)
    private static let range = SchemaShape.text(pattern: "^[0-9a-f.:]+/[0-9]+$")

    private static func words<Choice: CaseIterable & RawRepresentable<String>>(_: Choice.Type) -> SchemaShape {
        .words(Choice.allCases.map(\.rawValue))
    }
}
