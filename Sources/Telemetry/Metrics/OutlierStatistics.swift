/// What outlier detection did, under Envoy's names.
package struct OutlierStatistics: Sendable {
    package var active: UInt64 = 0
    package var enforced: UInt64 = 0
    package var overflows: UInt64 = 0
    /// By reason, in the order of `names`: found, and ejected for it.
    private var detections = InlineArray<7, UInt64>(repeating: 0)
    private var ejections = InlineArray<7, UInt64>(repeating: 0)

    package init() {}

    package subscript(detected reason: Int) -> UInt64 {
        get { detections[reason] }
        set { detections[reason] = newValue }
    }

    package subscript(ejected reason: Int) -> UInt64 {
        get { ejections[reason] }
        set { ejections[reason] = newValue }
    }

    static let names = [
        "consecutive_5xx", "consecutive_gateway_failure", "consecutive_local_origin_failure", "success_rate",
        "local_origin_success_rate", "failure_percentage", "local_origin_failure_percentage",
    ]

    static var fields: [StatisticField<ClusterStatistics>] {
        var fields: [StatisticField<ClusterStatistics>] = [
            StatisticField(
                "outlier_detection.ejections_active", .gauge, \.outliers.active, "Endpoints that are ejected."),
            StatisticField(
                "outlier_detection.ejections_enforced_total", .counter, \.outliers.enforced, "Ejections."),
            StatisticField(
                "outlier_detection.ejections_overflow", .counter, \.outliers.overflows,
                "Ejections that the share of ejected endpoints forbade."),
        ]
        for (index, name) in names.enumerated() {
            fields.append(
                StatisticField(
                    "outlier_detection.ejections_detected_\(name)", .counter, \.outliers[detected: index],
                    "Endpoints found wanting."))
            fields.append(
                StatisticField(
                    "outlier_detection.ejections_enforced_\(name)", .counter, \.outliers[ejected: index],
                    "Endpoints ejected for it."))
        }
        return fields
    }
}
