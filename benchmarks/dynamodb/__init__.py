"""Speed into DynamoDB: encoding beside boto3's, whole loads beside the seed's script and awswrangler."""
