import ClusterModel
import Testing

@Suite("Version skew")
struct SkewRulesTests {
    struct Row: Sendable, CustomTestStringConvertible {
        let name: String
        var api = ["1.31.14", "1.31.14", "1.31.14"]
        var kubelets = ["1.31.14"]
        var configured: String? = "1.31.14"
        var etcd = ["3.5.16"]
        let target: String
        /// Beginnings of what is refused, in order.
        var refused: [String] = []

        var testDescription: String { name }
    }

    static let rows: [Row] = [
        Row(name: "the next minor", target: "1.32.13"),
        Row(name: "a later patch", target: "1.31.15"),
        Row(name: "the same again", target: "1.31.14"),
        Row(name: "two minors", target: "1.33.1", refused: ["one minor release at a time: from master1 1.31.14"]),
        Row(
            name: "an earlier patch",
            target: "1.31.13",
            refused: [
                "1.31.13 would be a downgrade of the API server of master1 1.31.14",
                "1.31.13 would be a downgrade of the kubelet of node1 1.31.14",
            ]
        ),
        Row(
            name: "an earlier minor",
            target: "1.30.14",
            refused: [
                "1.30.14 would be a downgrade of the API server", "1.30.14 would be a downgrade of the kubelet",
            ]
        ),
        Row(
            name: "half upgraded, to the same target",
            api: ["1.32.13", "1.31.14", "1.31.14"],
            configured: "1.32.13",
            target: "1.32.13"
        ),
        Row(
            name: "half upgraded, to another one",
            api: ["1.32.13", "1.31.14", "1.31.14"],
            configured: "1.32.13",
            target: "1.33.1",
            refused: ["one minor release at a time: from master2 1.31.14, master3 1.31.14 to 1.33 goes by way of 1.32"]
        ),
        Row(
            name: "the control plane is done, the kubelets not all",
            api: ["1.32.13", "1.32.13", "1.32.13"],
            kubelets: ["1.32.13", "1.31.14", "1.29.1"],
            configured: "1.32.13",
            target: "1.32.13"
        ),
        Row(
            name: "configured, and no API server there yet",
            configured: "1.32.13",
            target: "1.31.15",
            refused: ["1.31.15 would be a downgrade: kubeadm's configuration says 1.32.13"]
        ),
        Row(
            name: "configuration left behind",
            api: ["1.32.1", "1.32.1"],
            configured: "1.31.14",
            target: "1.33.1",
            refused: ["one minor release at a time: kubeadm's configuration says 1.31.14"]
        ),
        Row(
            name: "API servers two apart",
            api: ["1.33.1", "1.31.14", "1.32.1"],
            configured: "1.33.1",
            target: "1.33.1",
            refused: [
                "the API servers are 2 minor releases apart",
                "one minor release at a time: from master2 1.31.14 to 1.33 goes by way of 1.32",
            ]
        ),
        Row(
            name: "a kubelet ahead of one API server",
            api: ["1.32.13", "1.31.14", "1.32.13"],
            kubelets: ["1.32.13"],
            target: "1.32.13",
            refused: [
                "a kubelet must not be newer than any API server: node1 1.32.13, and there is an API server of 1.31.14"
            ]
        ),
        Row(name: "kubelets three minors older afterwards", kubelets: ["1.29.0"], target: "1.32.13"),
        Row(
            name: "kubelets four minors older afterwards",
            kubelets: ["1.31.14", "1.28.15", "1.28.1"],
            target: "1.32.13",
            refused: ["too old for an API server of 1.32: the kubelet of node2 1.28.15, node3 1.28.1"]
        ),
        Row(
            name: "kubelets before 1.25 may be two minors older only",
            api: ["1.26.1"],
            kubelets: ["1.24.1"],
            configured: "1.26.1",
            target: "1.27.1",
            refused: ["too old for an API server of 1.27: the kubelet of node1 1.24.1"]
        ),
        Row(
            name: "etcd 3.6 from too early a 3.5",
            api: ["1.33.1"],
            configured: "1.33.1",
            etcd: ["3.5.26", "3.5.24", "3.5.21"],
            target: "1.34.0",
            refused: [
                "Kubernetes 1.34 brings etcd 3.6, which only members of 3.5.26 or later may go to: etcd2 has 3.5.24, etcd3"
            ]
        ),
        Row(
            name: "etcd 3.6 from 3.5.26",
            api: ["1.33.1"],
            configured: "1.33.1",
            etcd: ["3.5.26", "3.5.32"],
            target: "1.34.0"
        ),
        Row(
            name: "etcd 3.6 is there",
            api: ["1.34.0"],
            kubelets: ["1.34.0"],
            configured: "1.34.0",
            etcd: ["3.6.4"],
            target: "1.35.0"
        ),
        Row(
            name: "etcd of unknown version",
            api: ["1.33.1"],
            configured: "1.33.1",
            etcd: [""],
            target: "1.34.0",
            refused: [
                "Kubernetes 1.34 brings etcd 3.6, which only members of 3.5.26 or later may go to: etcd1 has an unknown one"
            ]
        ),
        Row(name: "another major", target: "2.0.0", refused: ["2.0.0 is of another major release than what runs"]),
        Row(name: "nobody answers", api: [], target: "1.32.13", refused: ["no API server tells its version"]),
        Row(name: "no configuration known", configured: nil, target: "1.32.13"),
    ]

    @Test("rules by table", arguments: rows)
    func rule(row: Row) throws {
        func version(_ text: String) throws -> KubernetesVersion { try #require(KubernetesVersion(text)) }
        func components(_ texts: [String], _ name: String) throws -> [SkewRules.Component] {
            try texts.enumerated().map { SkewRules.Component("\(name)\($0.offset + 1)", try version($0.element)) }
        }
        let rules = SkewRules(
            apiServers: try components(row.api, "master"),
            kubelets: try components(row.kubelets, "node"),
            configured: try row.configured.map(version),
            etcd: row.etcd.enumerated().map { SkewRules.Member("etcd\($0.offset + 1)", $0.element) }
        )
        let refused = rules.refusals(to: try version(row.target))
        #expect(refused.count == row.refused.count, "\(refused)")
        for (found, expected) in zip(refused, row.refused) { #expect(found.hasPrefix(expected)) }
    }

    @Test("of very many nodes a few are named")
    func many() throws {
        let old = try #require(KubernetesVersion("1.27.1"))
        let api = try #require(KubernetesVersion("1.31.14"))
        let rules = SkewRules(
            apiServers: [SkewRules.Component("master1", api)],
            kubelets: (1...300).map { SkewRules.Component("node\($0)", old) }
        )
        let refused = rules.refusals(to: api)
        #expect(refused.count == 1)
        #expect(refused.first?.contains("node5 1.27.1 and 295 more") == true)
    }
}
