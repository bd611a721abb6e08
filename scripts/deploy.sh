#!/usr/bin/env bash
# Runs the pushed image of an environment as a service of ECS, and sets its alarms in CloudWatch:
# scripts/deploy.sh -e ENVIRONMENT [--dry-run]
#
#   CLUSTER           the cluster (default: moc_jobs)
#   SUBNETS           with commas between them, as SECURITY_GROUPS: where a new service's task runs
#   SECURITY_GROUPS
#   PUBLIC_IP         ENABLED or DISABLED (default): whether a new service's task has one
#   ALARM_TOPIC       the ARN of an SNS topic that is told (default: none; the alarms are shown alone)
#   WAIT_SECONDS      for how long the service may take until it runs (default: 600)
set -euo pipefail
# shellcheck source=scripts/environments.sh
source "$(dirname "${BASH_SOURCE[0]}")/environments.sh"

dry_run=
arguments=()
for argument; do
    if [[ $argument == --dry-run ]]; then dry_run=yes; else arguments+=("$argument"); fi
done
take_environment "${arguments[@]}"
find_account
cluster=${CLUSTER:-moc_jobs}
log_group=/ecs/$IMAGE
key=/moc_jobs/$ENVIRONMENT/ACCOUNT_PK_SECRET

# What there is already, and what lacks: all of it is looked at before anything is made.
digest=$(ask_aws ecr describe-images --repository-name "$IMAGE" --image-ids imageTag=latest \
    --query 'imageDetails[0].imageDigest') || {
    [[ $digest != *NotFound* ]] || digest="push it first: ./tag_and_push.sh -e $ENVIRONMENT"
    fail "there is no image $IMAGE in ECR in $AWS_REGION: $digest"
}
kind=$(call_aws ssm describe-parameters --parameter-filters "Key=Name,Values=$key" \
    --query 'Parameters[0].Type')
[[ $kind == SecureString ]] ||
    fail "the key is no encrypted parameter $key of Systems Manager in $AWS_REGION; docs/aws.md says how to put it there"
state=$(call_aws ecs describe-clusters --clusters "$cluster" --query 'clusters[0].status')
[[ $state == ACTIVE ]] ||
    fail "there is no cluster $cluster in $AWS_REGION; make it: aws ecs create-cluster --cluster-name $cluster"
service=$(call_aws ecs describe-services --cluster "$cluster" --services "$IMAGE" \
    --query 'services[0].status')
[[ $service == ACTIVE || -n ${SUBNETS:-} && -n ${SECURITY_GROUPS:-} ]] ||
    refuse "$IMAGE is no service yet: set SUBNETS and SECURITY_GROUPS to those where its task is to run"
group=$(call_aws logs describe-log-groups --log-group-name-prefix "$log_group" \
    --query "length(logGroups[?logGroupName=='$log_group'])")

definition=$(sed -e "s|{account}|$ACCOUNT|g" -e "s|{region}|$AWS_REGION|g" \
    -e "s|{image}|$ACCOUNT.dkr.ecr.$AWS_REGION.amazonaws.com/$IMAGE@$digest|g" \
    "$ROOT/environments/$ENVIRONMENT/task-definition.json")
if [[ -n $dry_run ]]; then
    printf '%s\n' "$definition"
    say "nothing was done; this would be registered, $(
        [[ $service == ACTIVE ]] && echo "the service $IMAGE updated" || echo "the service $IMAGE made"
    ) in the cluster $cluster, and the alarms $IMAGE-error and $IMAGE-silent set"
    exit 0
fi

[[ $group != 0 ]] || call_aws logs create-log-group --log-group-name "$log_group" >/dev/null
revision=$(call_aws ecs register-task-definition --cli-input-json "$definition" \
    --query taskDefinition.taskDefinitionArn)
say "registered $revision"

# The heartbeat: 1 is trouble; silence, that the program or its way to CloudWatch is gone.
metric=(--namespace MOC/EXCEPTIONS --metric-name "$ENVIRONMENT" --dimensions "Name=JOBS,Value=Error"
    --evaluation-periods 1)
[[ -z ${ALARM_TOPIC:-} ]] || metric+=(--alarm-actions "$ALARM_TOPIC" --ok-actions "$ALARM_TOPIC")
call_aws cloudwatch put-metric-alarm --alarm-name "$IMAGE-error" "${metric[@]}" \
    --alarm-description "moc_jobs of $ENVIRONMENT fails: see the log $log_group" \
    --statistic Maximum --period 60 --comparison-operator GreaterThanOrEqualToThreshold \
    --threshold 1 --treat-missing-data notBreaching >/dev/null
call_aws cloudwatch put-metric-alarm --alarm-name "$IMAGE-silent" "${metric[@]}" \
    --alarm-description "moc_jobs of $ENVIRONMENT has not been heard of for 5 minutes" \
    --statistic SampleCount --period 300 --comparison-operator LessThanThreshold \
    --threshold 1 --treat-missing-data breaching >/dev/null
say "set the alarms $IMAGE-error and $IMAGE-silent"

# One task at a time: the old one ends before the new one begins. With the journal in a database a
# second one stands by, and takes over while the other is replaced.
tasks=1 least=0
in_database='"SCHEDULER_JOURNAL",[[:space:]]*"value":[[:space:]]*"postgres(ql)?://'
[[ ! $definition =~ $in_database ]] || tasks=2 least=50
running=(--cluster "$cluster" --task-definition "$revision" --desired-count "$tasks" --deployment-configuration
    "minimumHealthyPercent=$least,maximumPercent=100,deploymentCircuitBreaker={enable=true,rollback=true}")
began=$(date +%s)
if [[ $service == ACTIVE ]]; then
    call_aws ecs update-service --service "$IMAGE" "${running[@]}" >/dev/null
else
    call_aws ecs create-service --service-name "$IMAGE" --launch-type FARGATE "${running[@]}" \
        --network-configuration "awsvpcConfiguration={subnets=[$SUBNETS],securityGroups=[$SECURITY_GROUPS],assignPublicIp=${PUBLIC_IP:-DISABLED}}" >/dev/null
fi
say "waiting for the service $IMAGE to run in good health"
show_log() {
    call_aws logs filter-log-events --no-paginate --log-group-name "$log_group" \
        --start-time "${began}000" --query 'events[-20:].[message]'
}
while :; do
    # ECS ends a rollout when the task runs and has passed its health check. One that fails it takes
    # back, and the service has the definition of before.
    read -r current rollout < <(call_aws ecs describe-services --cluster "$cluster" --services "$IMAGE" \
        --query "services[0].[taskDefinition, deployments[?status=='PRIMARY'] | [0].rolloutState]")
    if [[ $current != "$revision" || $rollout == FAILED ]]; then
        show_log
        fail "the task of $revision did not come to run; the service has $current"
    fi
    [[ $rollout != COMPLETED ]] || break
    (($(date +%s) < began + ${WAIT_SECONDS:-600})) || {
        show_log
        fail "$IMAGE does not run yet, after ${WAIT_SECONDS:-600} s; see: aws ecs describe-services --cluster $cluster --services $IMAGE"
    }
    sleep 5
done
show_log
say "$IMAGE runs: $revision"
