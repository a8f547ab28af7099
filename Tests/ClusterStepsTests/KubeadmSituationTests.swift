import ClusterModel
import Testing

@testable import ClusterSteps

@Suite("Where a host stands on its way to a version")
struct KubeadmSituationTests {
    private static let old = KubernetesVersion(major: 1, minor: 31, patch: 14)
    private static let new = KubernetesVersion(major: 1, minor: 32, patch: 13)

    /// One host: which pods are new, which are missing, and what else there is.
    struct Row: CustomTestStringConvertible {
        var kubeadm: KubernetesVersion?
        var new = 0
        var missing: [String] = []
        var restorable: [String] = []
        var parked: [String] = []
        var wasCutOff = false
        var wrote = false
        var begun = ""
        var isMaster = true
        var hasEtcd = true
        let expected: KubeadmSituation
        let testDescription: String
    }

    private static let names = ["kube-apiserver", "kube-controller-manager", "kube-scheduler"]

    static let rows: [Row] = [
        Row(kubeadm: old, wrote: true, expected: .packageIsOld, testDescription: "nothing was done"),
        Row(kubeadm: nil, expected: .packageIsOld, testDescription: "kubeadm is not installed"),
        Row(kubeadm: new, expected: .notBegun, testDescription: "only the package is new"),
        Row(kubeadm: new, wrote: true, expected: .notBegun, testDescription: "the manifests were rolled back"),
        Row(
            kubeadm: new,
            begun: "1.32.13",
            expected: .cutOff(new: []),
            testDescription: "cut off before the first manifest"
        ),
        Row(
            kubeadm: new,
            wasCutOff: true,
            expected: .cutOff(new: []),
            testDescription: "somebody's run was cut off early"
        ),
        Row(
            kubeadm: new,
            new: 1,
            wasCutOff: true,
            begun: "1.32.13",
            expected: .cutOff(new: ["kube-apiserver"]),
            testDescription: "one manifest is new"
        ),
        Row(
            kubeadm: new,
            new: 3,
            expected: .cutOff(new: names),
            testDescription: "all manifests new, the kubelet's configuration old"
        ),
        Row(
            kubeadm: new,
            new: 3,
            wrote: true,
            begun: "1.32.13",
            expected: .cutOff(new: names),
            testDescription: "cut off in the add-ons"
        ),
        Row(
            kubeadm: new,
            new: 3,
            wasCutOff: true,
            wrote: true,
            expected: .cutOff(new: names),
            testDescription: "run again by hand, and cut off"
        ),
        Row(kubeadm: new, new: 3, wrote: true, expected: .done, testDescription: "done"),
        Row(
            kubeadm: new,
            new: 3,
            restorable: ["kube-scheduler"],
            wrote: true,
            expected: .done,
            testDescription: "done, backups stay"
        ),
        Row(
            kubeadm: old,
            new: 3,
            wrote: true,
            expected: .cutOff(new: names),
            testDescription: "upgraded, and kubeadm put back"
        ),
        Row(
            kubeadm: new,
            new: 1,
            missing: ["kube-scheduler"],
            restorable: ["kube-scheduler"],
            begun: "1.32.13",
            expected: .manifestMissing(["kube-scheduler"]),
            testDescription: "between the two renames"
        ),
        Row(
            kubeadm: new,
            missing: ["etcd"],
            restorable: ["etcd"],
            expected: .manifestMissing(["etcd"]),
            testDescription: "between the two renames of etcd's"
        ),
        Row(
            kubeadm: new,
            missing: ["etcd"],
            restorable: ["etcd"],
            hasEtcd: false,
            expected: .notBegun,
            testDescription: "etcd runs elsewhere now"
        ),
        Row(
            kubeadm: new,
            missing: ["kube-scheduler"],
            expected: .hopeless("the manifest of kube-scheduler is missing, and kubeadm kept no copy of it"),
            testDescription: "a manifest is lost"
        ),
        Row(
            kubeadm: new,
            missing: ["kube-apiserver"],
            restorable: ["kube-apiserver"],
            parked: ["kube-apiserver"],
            expected: .hopeless("kube-apiserver is parked by another run, which has to be finished or given up first"),
            testDescription: "a manifest is parked"
        ),
        Row(
            kubeadm: new,
            missing: KubeadmState.components,
            expected: .hopeless("it has no manifests, so it is no master that kubeadm made"),
            testDescription: "no master"
        ),
        Row(
            kubeadm: KubernetesVersion(major: 1, minor: 33, patch: 0),
            wrote: true,
            expected: .hopeless("kubeadm is 1.33.0 already; going back to 1.32.13 is not supported"),
            testDescription: "kubeadm is newer"
        ),
        Row(
            kubeadm: old,
            wrote: true,
            isMaster: false,
            expected: .packageIsOld,
            testDescription: "worker, nothing done"
        ),
        Row(kubeadm: new, isMaster: false, expected: .notBegun, testDescription: "worker, package new"),
        Row(
            kubeadm: new,
            begun: "1.32.13",
            isMaster: false,
            expected: .cutOff(new: []),
            testDescription: "worker, cut off"
        ),
        Row(kubeadm: new, wrote: true, isMaster: false, expected: .done, testDescription: "worker, done"),
    ]

    static func state(_ row: Row, old: KubernetesVersion = old) -> KubeadmState.Value {
        var images: [String: String] = ["etcd": "registry.k8s.io/etcd:3.5.24-0"]
        for (number, name) in names.enumerated() {
            images[name] = "registry.k8s.io/\(name):\((number < row.new ? new : old).tag)"
        }
        if !row.isMaster { images = [:] }
        return KubeadmState.Value(
            images: images.filter { !row.missing.contains($0.key) },
            restorable: row.restorable,
            parked: row.parked,
            leftovers: [],
            wasCutOff: row.wasCutOff,
            hasWrittenKubelet: row.wrote,
            begun: row.begun,
            process: 0,
            freeBytes: 10 << 30,
            etcdBytes: 0,
            spareBytes: 0
        )
    }

    @Test("every state has its answer", arguments: rows)
    func judged(row: Row) {
        let found = KubeadmSituation.of(
            Self.state(row),
            kubeadm: row.kubeadm,
            wanted: Self.new,
            isMaster: row.isMaster,
            hasEtcd: row.hasEtcd
        )
        #expect(found == row.expected)
    }

    @Test("two minors at once, and back, are refused")
    func tooFar() {
        let row = Row(kubeadm: nil, expected: .done, testDescription: "")
        func judge(_ text: String) -> KubeadmSituation? {
            KubernetesVersion(text).map {
                KubeadmSituation.of(Self.state(row), kubeadm: nil, wanted: $0, isMaster: true, hasEtcd: true)
            }
        }
        #expect(
            judge("1.33.0")
                == .hopeless(
                    "its kube-apiserver is 1.31.14: kubeadm goes one minor at a time, and 1.33.0 is further away"
                )
        )
        #expect(judge("1.31.13") == .hopeless("its kube-apiserver is 1.31.14 already; going back is not supported"))
        #expect(judge("1.31.15") == .packageIsOld)
    }
}
